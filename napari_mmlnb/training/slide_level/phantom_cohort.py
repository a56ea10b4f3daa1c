"""A cohort of synthetic slides, rendered once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from pydantic import TypeAdapter

from napari_mmlnb.phantom.slide import write_phantom
from napari_mmlnb.phantom.truth import Subtype
from napari_mmlnb.training.slide_level.cohort import Cohort, CohortSlide
from napari_mmlnb.training.slide_level.config import PhantomCohortConfig
from napari_mmlnb.training.splits import SlidePart

_SUBTYPE: TypeAdapter[Subtype] = TypeAdapter(Subtype)


@dataclass(frozen=True)
class _Planned:
    slide: CohortSlide
    subtype: str
    seed: int


def make_phantoms(
    cohort: PhantomCohortConfig, class_ids: tuple[str, ...], folder: Path, log: Callable[[str], None]
) -> Cohort:
    """Render the cohort's phantoms; the ones that are there already are kept, so a stopped training goes on.

    Parameters
    ----------
    cohort : PhantomCohortConfig
        How many, and which.
    class_ids : tuple of str
        Subtypes, in the order of the labels.
    folder : Path
        Of the slides.
    log : callable
        Told a line at a time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plan = _plan(cohort, class_ids, folder)
    missing = [one for one in plan if not one.slide.path.with_suffix(".truth.json").is_file()]
    for done, _ in enumerate(_render(cohort, missing), start=1):
        if done % 20 == 0 or done == len(missing):
            log(f"rendered {done} of {len(missing)} phantoms")
    width, height = cohort.size_px
    told = (
        f"Synthetic slides of {width} x {height} px at {cohort.mpp} µm/px, seeds from {cohort.first_seed}. No image of "
        "a patient, and no pathology weights."
    )
    return Cohort(tuple(one.slide for one in plan), told, real=False)


def _plan(cohort: PhantomCohortConfig, class_ids: tuple[str, ...], folder: Path) -> list[_Planned]:
    """Which phantoms there will be: classes by turns, part by part. Each phantom is a patient of its own."""
    counts: tuple[tuple[SlidePart, int], ...] = (
        ("train", cohort.train_per_class),
        ("calibration", cohort.calibration_per_class),
        ("selection", cohort.selection_per_class),
        ("report", cohort.report_per_class),
    )
    parts = [part for part, count in counts for _ in range(count * len(class_ids))]
    planned = []
    for i, part in enumerate(parts):
        label, seed = i % len(class_ids), cohort.first_seed + i
        name = f"{class_ids[label]}-{seed}.tiff"
        planned.append(
            _Planned(CohortSlide(folder / name, label, part, str(seed), name, content=name), class_ids[label], seed)
        )
    return planned


def _write(path: Path, subtype: str, seed: int, size: tuple[int, int], mpp: float) -> Path:
    write_phantom(path, subtype=_SUBTYPE.validate_python(subtype), seed=seed, size=size, mpp=mpp)
    return path


def _render(cohort: PhantomCohortConfig, missing: list[_Planned]) -> Iterator[Path]:
    # Spawned, not forked: a fork after native threads have started hangs.
    with ProcessPoolExecutor(os.cpu_count() or 1, mp_context=get_context("spawn")) as pool:
        futures = [
            pool.submit(_write, one.slide.path, one.subtype, one.seed, cohort.size_px, cohort.mpp) for one in missing
        ]
        for future in futures:
            yield future.result()
