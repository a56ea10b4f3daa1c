"""The slides of a training: each with its class, its patient, and the part of the cohort that it is in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from napari_mmlnb.errors import RequestError, SlideError
from napari_mmlnb.slides.slide import Slide, open_slide
from napari_mmlnb.training.splits import SlidePart


@dataclass(frozen=True)
class CohortSlide:
    """A slide with its label.

    Parameters
    ----------
    path : Path
        The slide.
    label : int
        Index into the configuration's classes.
    part : str
        "train", "selection", "calibration" or "report"; no patient is in two of them.
    patient : str
        Whose it is. Never logged.
    name : str
        What logs call it: a row of a table, for file names may be those of patients.
    content : str
        What tells it from other slides, whatever its file is called.
    mpp : float, optional
        Micrometres per level-0 pixel, where the file does not say.
    """

    path: Path
    label: int
    part: SlidePart
    patient: str
    name: str
    content: str
    mpp: float | None = None


@dataclass(frozen=True)
class Cohort:
    """All slides of a training.

    Parameters
    ----------
    slides : tuple of CohortSlide
        In a fixed order.
    told : str
        What a model card says of them, in one sentence or two.
    real : bool
        Whether they are anybody's, and not drawn by this program.
    """

    slides: tuple[CohortSlide, ...]
    told: str
    real: bool

    @property
    def digest(self) -> str:
        """Of which slides are in which part with which class, whatever they are called and in whatever order."""
        rows = sorted((slide.content, slide.part, slide.label) for slide in self.slides)
        return hashlib.sha256(repr(rows).encode()).hexdigest()


@contextmanager
def opened_slide(slide: CohortSlide) -> Iterator[Slide]:
    """A slide of a cohort, open.

    Raises
    ------
    RequestError
        If it cannot be opened or read; it is told by its row, for its path may be a patient's name.
    """
    try:
        with open_slide(slide.path, mpp=slide.mpp) as opened:
            yield opened
    except SlideError as error:
        problem = error.problem.replace(str(slide.path), "it").replace(slide.path.name, "it")
        raise RequestError(
            f"The slide of {slide.name} cannot be used: {problem}",
            "Mend it or take it out of the cohort; what was computed of the others is kept.",
        ) from error
