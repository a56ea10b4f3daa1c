"""Bags of features whose classes can be learned, without a slide behind them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from napari_mmlnb.models.mmlnb import MmlnbShape
from napari_mmlnb.training.slide_level.bags import SlideBag
from napari_mmlnb.training.slide_level.cohort import CohortSlide
from napari_mmlnb.training.slide_level.course import Told

FEATURES = 16
SHAPE = MmlnbShape(features=FEATURES, classes=3, vocabulary=8, image=32, text=16, text_layers=1, max_tokens=4)


TINY = {
    "name": "tiny",
    "version": "0",
    "summary": "A training in miniature.",
    "notice": "For tests.",
    "task": "Subtype of phantoms",
    "licence": "BSD-3-Clause",
    "classes": [
        {"id": "ud", "label": "undifferentiated", "colour": "#CC3311"},
        {"id": "pd", "label": "poorly differentiated", "colour": "#EE7733"},
        {"id": "d", "label": "differentiating", "colour": "#0077BB"},
    ],
    "cohort": {
        "kind": "phantom",
        "train_per_class": 1,
        "calibration_per_class": 1,
        "first_seed": 1,
        "size_px": [1100, 1100],
    },
    "model": {"image": 32, "text": 16, "text_layers": 1, "vocabulary": 120},
    "curriculum": {"image_first": 4, "joint": 5, "consolidate": 2},
}
"""A configuration for a training in miniature."""


def make_bags(slides: int, seed: int, strength: float = 6) -> tuple[SlideBag, ...]:
    """Bags in which a fifth of the tiles carry a class-dependent sign, as weakly labelled slides do."""
    rng = np.random.default_rng(seed)
    bags = []
    for i in range(slides):
        label = i % 3
        features = rng.normal(size=(40, FEATURES)).astype(np.float32)
        features[:8, label] += strength
        cells = np.stack([np.arange(40), np.zeros(40)], axis=1).astype(np.int32)
        slide = CohortSlide(Path(f"{i}.tiff"), label, "train", f"{seed}-{i}", f"row {i}", f"content {seed}-{i}")
        bags.append(SlideBag(slide, features, cells))
    return tuple(bags)


def told(bags: tuple[SlideBag, ...]) -> Told:
    """The bags with texts that give their classes away."""
    return Told(bags, lambda attention: torch.tensor([[2 + b.slide.label, 5] for b in bags]))


NO_SLIDES = Told((), lambda attention: torch.zeros(0, 1, dtype=torch.long))
