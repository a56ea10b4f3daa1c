from __future__ import annotations

import math

import numpy as np
import pytest

from napari_mmlnb.quality.slide_quality import MOST_PIXELS, QualityLimits, judge_slide, measure_overview
from napari_mmlnb.quality.tile_quality import TileQuality
from tests.quality.made import doubled, overview
from tests.quality.test_folds import band


def tiles(*, sharp: int = 0, blurred: int = 0, plain: int = 0, inked: int = 0, unreadable: int = 0) -> TileQuality:
    sharpness = [2.0] * sharp + [0.5] * blurred + [math.nan] * plain + [2.0] * inked + [math.nan] * unreadable
    read = len(sharpness) - unreadable
    pen = [0.0] * (read - inked) + [0.6] * inked + [math.nan] * unreadable
    tissue = [1.0] * read + [math.nan] * unreadable
    known = np.arange(len(sharpness)) < read
    return TileQuality(*(np.array(one, np.float32) for one in (sharpness, tissue, pen)), readable=known)


def seen():
    return measure_overview(*overview(), 8.0)


def test_a_good_slide_passes_with_every_value_beside_its_limit() -> None:
    quality = judge_slide(tiles(sharp=90, plain=10), seen())
    assert quality.passed
    assert quality.reasons == ()
    assert [one.kind for one in quality.findings] == ["tissue", "unreadable", "blur", "pen", "folds"]
    assert quality.unjudged == pytest.approx(0.1)
    assert quality.median_sharpness == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("bag", "kind", "share", "words"),
    [
        ({"sharp": 50, "blurred": 50, "plain": 100}, "blur", 0.5, "50.0% of the tiles with structure are out of focus"),
        ({"sharp": 80, "inked": 20}, "pen", 0.2, "20.0% of the tiles are under a pen mark (at most 10.0%)"),
        ({"sharp": 95, "unreadable": 5}, "unreadable", 0.05, "5.0% of the tiles cannot be read (at most 2.0%)"),
    ],
)
def test_too_much_of_a_fault_is_said_with_share_and_limit(bag: dict, kind: str, share: float, words: str) -> None:
    quality = judge_slide(tiles(**bag), seen())
    assert [one.kind for one in quality.findings if not one.passed] == [kind]
    assert quality.finding(kind).value == pytest.approx(share)
    assert words in quality.reasons[0]


def test_folds_count_by_area() -> None:
    rgb, tissue = overview()
    folded = measure_overview(doubled(rgb, band(tissue.shape, thickness=6, length=90)), tissue, 8.0)
    quality = judge_slide(tiles(sharp=10), folded)
    assert 0.03 < quality.finding("folds").value < 0.12
    assert quality.passed, "dense tissue may look folded: told, and no reason to refuse"
    strict = judge_slide(tiles(sharp=10), folded, QualityLimits(folds=0.03))
    assert "tissue looks folded (at most 3.0%)" in strict.reasons[0]


def test_what_could_not_be_read_counts_over_the_whole_run_where_the_tiles_are_a_sample() -> None:
    quality = judge_slide(tiles(sharp=10), seen(), tried=(40, 400))
    assert quality.finding("unreadable").value == pytest.approx(0.1)
    assert not quality.finding("unreadable").passed


def test_a_large_overview_is_looked_at_more_coarsely_and_measures_the_same_area() -> None:
    rgb, tissue = overview()
    times = int(np.ceil(np.sqrt(2 * MOST_PIXELS / tissue.size)))
    large = measure_overview(np.tile(rgb, (times, times, 1)), np.tile(tissue, (times, times)), 8.0)
    assert large.pen.size < MOST_PIXELS
    assert large.tissue_mm2 == pytest.approx(times**2 * measure_overview(rgb, tissue, 8.0).tissue_mm2, rel=0.02)


def test_too_little_tissue_is_said_in_square_millimetres() -> None:
    rgb, tissue = overview()
    speck = np.zeros_like(tissue)
    speck[70:80, 95:105] = True
    quality = judge_slide(tiles(sharp=1), measure_overview(rgb, speck, 8.0))
    assert quality.finding("tissue").value == pytest.approx(0.0064)
    assert "0.0064 mm²" in quality.reasons[0]


def test_limits_can_be_set() -> None:
    strict = judge_slide(tiles(sharp=99, blurred=1), seen(), QualityLimits(blur=0.001))
    assert [one.kind for one in strict.findings if not one.passed] == ["blur"]


def test_a_slide_of_which_no_tile_was_read_is_judged_by_what_is_known() -> None:
    quality = judge_slide(tiles(unreadable=4), seen())
    assert math.isnan(quality.median_sharpness)
    assert quality.finding("unreadable").value == 1.0
    assert quality.finding("blur").value == 0.0
