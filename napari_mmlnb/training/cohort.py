"""The slides that a model learns from, and the ones that it is calibrated on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from napari_mmlnb.phantom.slide import write_phantom
from napari_mmlnb.phantom.truth import Subtype
from napari_mmlnb.training.config import TrainConfig

Split = Literal["train", "calibration"]
_SUBTYPE: TypeAdapter[Subtype] = TypeAdapter(Subtype)


@dataclass(frozen=True)
class CohortSlide:
    """A slide with its label.

    Parameters
    ----------
    path : Path
        The slide.
    label : int
        Index into the configuration's classes.
    split : str
        "train" or "calibration"; no patient is in both.
    seed : int
        Of the phantom.
    """

    path: Path
    label: int
    split: Split
    seed: int


def plan_cohort(config: TrainConfig, folder: Path) -> tuple[CohortSlide, ...]:
    """Which phantoms there will be: classes by turns, the training ones first. Each phantom is a patient of its own."""
    cohort = config.cohort
    classes = config.classes
    slides = []
    for i in range((cohort.train_per_class + cohort.calibration_per_class) * len(classes)):
        label = i % len(classes)
        split: Split = "train" if i < cohort.train_per_class * len(classes) else "calibration"
        seed = cohort.first_seed + i
        slides.append(CohortSlide(folder / f"{classes[label].id}-{seed}.tiff", label, split, seed))
    return tuple(slides)


def _write(path: Path, subtype: str, seed: int, size: tuple[int, int], mpp: float) -> Path:
    write_phantom(path, subtype=_SUBTYPE.validate_python(subtype), seed=seed, size=size, mpp=mpp)
    return path


def make_cohort(config: TrainConfig, folder: Path, workers: int, log: Callable[[str], None]) -> tuple[CohortSlide, ...]:
    """Render the cohort's phantoms; the ones that are there already are kept, so a stopped training goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    slides = plan_cohort(config, folder)
    missing = [s for s in slides if not s.path.with_suffix(".truth.json").is_file()]
    for done, _ in enumerate(_render(config, missing, workers), start=1):
        if done % 20 == 0 or done == len(missing):
            log(f"rendered {done} of {len(missing)} phantoms")
    return slides


def _render(config: TrainConfig, missing: list[CohortSlide], workers: int) -> Iterator[Path]:
    cohort = config.cohort
    # Spawned, not forked: a fork after native threads have started hangs.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [
            pool.submit(_write, s.path, config.classes[s.label].id, s.seed, cohort.size_px, cohort.mpp) for s in missing
        ]
        for future in futures:
            yield future.result()
