"""Names for what a training keeps on the disk, so that what other settings or another version left is never taken."""

from __future__ import annotations

import hashlib
from pathlib import Path

from napari_mmlnb import __version__
from napari_mmlnb.inference.code_version import code_digest
from napari_mmlnb.training.slide_level.bags import Optics, SlideBag
from napari_mmlnb.training.slide_level.cohort import Cohort
from napari_mmlnb.training.slide_level.config import PhantomCohortConfig, TrainConfig


def work_folder(config: TrainConfig, out: Path, optics: Optics, encoder_sha256: str) -> Path:
    """The folder of phantoms, features and words: those of one's own slides outlive another table or split."""
    cohort = config.cohort
    made_by = cohort.model_dump_json() if isinstance(cohort, PhantomCohortConfig) else cohort.kind
    return out / "work" / _digest(__version__, made_by, list(config.class_ids), repr(optics), encoder_sha256)[:16]


def course_digest(config: TrainConfig, cohort: Cohort, bags: tuple[SlideBag, ...]) -> str:
    """Of what is trained, and by what: a checkpoint of anything else is not gone on from."""
    slides = [(bag.slide.name, bag.slide.part, bag.slide.label, len(bag.cells)) for bag in bags]
    return _digest(__version__, code_digest(), config.model_dump_json(), cohort.told, slides)


def _digest(*made_by: object) -> str:
    return hashlib.sha256(repr(made_by).encode()).hexdigest()
