"""Intervals that mean what they say: checked against the answer of all tiles, on bags of known making."""

from __future__ import annotations

import numpy as np
import pytest

from napari_mmlnb.inference.estimate import RunEstimate, estimate, leave_out_blocks
from tests.bundle_factory import CLASSES

TILES, BLOCK = 3000, 30


def _bag(seed: int, like_neighbours: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, shares and blocks of a slide; neighbours share a part of what they say."""
    random = np.random.default_rng(seed)
    blocks = np.arange(TILES) // BLOCK
    common = random.normal(size=(TILES // BLOCK, 4))[blocks]
    own = random.normal(size=(TILES, 4))
    mixed = like_neighbours * common + (1 - like_neighbours**2) ** 0.5 * own
    return mixed[:, 0].astype(np.float32), (2 * mixed[:, 1:]).astype(np.float32), blocks


def _seen(bag: tuple[np.ndarray, np.ndarray, np.ndarray], tiles: np.ndarray) -> RunEstimate:
    scores, shares, blocks = bag
    jackknife = leave_out_blocks(scores[tiles], shares[tiles], np.zeros(3, np.float32), blocks[tiles], TILES)
    return estimate(jackknife, CLASSES, 1.0, (len(tiles), TILES))


def _some_blocks(seed: int, count: int) -> np.ndarray:
    chosen = np.random.default_rng(1000 + seed).permutation(TILES // BLOCK)[:count]
    return np.flatnonzero(np.isin(np.arange(TILES) // BLOCK, chosen))


@pytest.mark.parametrize("like_neighbours", [0.0, 0.7])
@pytest.mark.parametrize("blocks", [12, 50, 90])
def test_the_interval_holds_the_final_probability_as_often_as_promised(like_neighbours: float, blocks: int) -> None:
    held, widths = [], []
    for seed in range(100):
        bag = _bag(seed, like_neighbours)
        final = _seen(bag, np.arange(TILES))
        early = _seen(bag, _some_blocks(seed, blocks))
        for class_id, (low, high) in early.intervals.items():
            held.append(low <= final.probabilities[class_id] <= high)
            widths.append(high - low)
    assert 0.84 <= np.mean(held) <= 0.97
    assert np.mean(widths) < 0.5, "an interval that says nothing holds everything"


def test_once_all_tiles_are_seen_nothing_is_uncertain() -> None:
    final = _seen(_bag(3), np.arange(TILES))
    assert final.stability == 1.0
    assert final.share_seen == 1.0
    for class_id, interval in final.intervals.items():
        assert interval == (final.probabilities[class_id], final.probabilities[class_id])
    assert sum(final.probabilities.values()) == pytest.approx(1)


def test_the_more_is_seen_the_narrower_the_interval() -> None:
    bag = _bag(5, 0.5)
    widths = [
        np.mean([high - low for low, high in _seen(bag, _some_blocks(5, n)).intervals.values()]) for n in (10, 40, 95)
    ]
    assert widths[0] > widths[1] > widths[2] > 0


def test_a_clear_case_is_stable_and_a_tie_is_not() -> None:
    scores, shares, blocks = _bag(7)
    tiles = _some_blocks(7, 30)
    clear = _seen((scores, shares + np.array([3, 0, 0], np.float32), blocks), tiles)
    assert (clear.leading, clear.stability > 0.999) == ("kind-1", True)
    even = shares.copy()
    even[:, 1] = even[:, 0]
    even[:, 2] -= 5
    assert _seen((scores, even, blocks), tiles).stability < 0.9, "nobody knows which of two equals will lead"


def test_one_block_alone_tells_nothing_of_the_others() -> None:
    alone = _seen(_bag(9), _some_blocks(9, 1))
    assert alone.stability == 0.0
    assert set(alone.intervals.values()) == {(0.0, 1.0)}


def test_a_score_far_above_the_others_overflows_nothing() -> None:
    scores, shares, blocks = _bag(11)
    scores[0] = 500.0
    seen = _seen((scores, shares, blocks), np.arange(600))
    values = [
        *seen.probabilities.values(),
        *(edge for pair in seen.intervals.values() for edge in pair),
        seen.stability,
    ]
    assert np.isfinite(values).all()
    assert all(0 <= value <= 1 for value in values)
