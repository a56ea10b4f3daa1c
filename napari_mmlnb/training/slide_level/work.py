"""Names for what a training keeps on the disk, so that what other settings or another version left is never taken."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from napari_mmlnb import __version__
from napari_mmlnb.inference.code_version import code_digest
from napari_mmlnb.training.slide_level.bags import Optics, SlideBag
from napari_mmlnb.training.slide_level.config import WORK_FOLDER, PhantomCohortConfig, TrainConfig
from napari_mmlnb.training.slide_level.texts import Candidates


def work_folder(config: TrainConfig, out: Path, optics: Optics, encoder_sha256: str) -> Path:
    """The folder of phantoms, features and words: those of one's own slides outlive another table or split."""
    cohort = config.cohort
    made_by = cohort.model_dump_json() if isinstance(cohort, PhantomCohortConfig) else cohort.kind
    return out / WORK_FOLDER / _digest(__version__, made_by, list(config.class_ids), repr(optics), encoder_sha256)[:16]


def features_folder(work: Path, device: str) -> Path:
    """The folder of features, by the code that computes them, and by where: the last digits depend on it."""
    return work / f"features-{device}-{code_digest()[:16]}"


def course_digest(
    config: TrainConfig, bags: Sequence[SlideBag], candidates: Sequence[Candidates], encoder_sha256: str, device: str
) -> str:
    """Of what is trained, on what, and by what: a checkpoint of anything else is not gone on from.

    The texts count word for word: another describing model, or a measured one that measures otherwise, makes another
    vocabulary.
    """
    slides = [(bag.slide.content, bag.slide.part, bag.slide.label, len(bag.cells)) for bag in bags]
    words = [(one.indices.tolist(), [said.sentences for said in one.said]) for one in candidates]
    code = code_digest("training", "models")
    return _digest(__version__, code, config.model_dump_json(), encoder_sha256, device, slides, words)


def _digest(*made_by: object) -> str:
    return hashlib.sha256(repr(made_by).encode()).hexdigest()
