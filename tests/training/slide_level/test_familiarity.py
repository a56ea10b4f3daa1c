"""The limits of what is familiar hold for slides like those that they were learnt on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_mmlnb.models.familiarity import Familiarity
from napari_mmlnb.training.slide_level.bags import SlideBag
from napari_mmlnb.training.slide_level.cohort import CohortSlide
from napari_mmlnb.training.slide_level.familiarity import (
    familiarity_limits,
    fit_familiarity,
    fit_slides,
    slide_distances,
)

FEATURES = 40


def _bags(first: int, count: int, common: float = 0.0) -> tuple[SlideBag, ...]:
    bags = []
    for seed in range(first, first + count):
        rng = np.random.default_rng(seed)
        own = rng.normal(size=4) @ np.random.default_rng(7).normal(size=(4, FEATURES)) * 0.3
        features = (rng.normal(size=(rng.integers(30, 70), FEATURES)) + own + common).astype(np.float32)
        slide = CohortSlide(Path(f"{seed}.tiff"), 0, "train", str(seed), f"{seed}.tiff", f"content {seed}")
        bags.append(SlideBag(slide, features, np.zeros((len(features), 2), np.int32)))
    return tuple(bags)


@pytest.fixture(scope="module")
def fitted():
    train = _bags(0, 80)
    tiles = Familiarity(FEATURES, rank=8).eval()
    fit_familiarity(tiles, train, seed=0)
    slides = fit_slides(tiles, train)
    return tiles, slides, familiarity_limits(tiles, slides, _bags(1000, 40), seed=0)


def test_fresh_slides_stay_within_the_limits_and_shifted_ones_do_not(fitted) -> None:
    tiles, slides, limits = fitted
    fresh, shifted = _bags(2000, 40), _bags(3000, 20, common=1.0)
    within = slide_distances(tiles, slides, fresh) <= [limits.slide_limit(len(b.features)) for b in fresh]
    beyond = slide_distances(tiles, slides, shifted) > [limits.slide_limit(len(b.features)) for b in shifted]
    assert within.mean() >= 0.9
    assert beyond.all()


def test_fewer_tiles_lie_farther_off_and_have_the_wider_limit(fitted) -> None:
    limits = [limit for _, limit in fitted[2].slide]
    assert limits == sorted(limits, reverse=True)
    assert limits[0] > 1.5 * limits[-1]


def test_few_tiles_of_fresh_slides_stay_within_their_limit(fitted) -> None:
    tiles, slides, limits = fitted
    few = tuple(SlideBag(b.slide, b.features[:5], b.cells[:5]) for b in _bags(4000, 60))
    assert (slide_distances(tiles, slides, few) <= limits.slide_limit(5)).mean() >= 0.9


def test_hardly_a_tile_of_fresh_slides_is_foreign(fitted) -> None:
    tiles, _, limits = fitted
    features = torch.from_numpy(np.concatenate([b.features for b in _bags(5000, 20)]))
    assert float((tiles(features) > limits.foreign_tile).float().mean()) < 0.02
    assert limits.foreign_share >= 0.1
