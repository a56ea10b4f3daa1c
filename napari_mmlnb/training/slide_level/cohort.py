"""The slides of a training: each with its class, its patient, and the part of the cohort that it is in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
    mpp : float, optional
        Micrometres per level-0 pixel, where the file does not say.
    """

    path: Path
    label: int
    part: SlidePart
    patient: str
    name: str
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
