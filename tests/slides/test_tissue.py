"""The tissue of a slide: found, measured, restricted and edited."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.geometry import Mpp, PixelGrid, Region
from napari_mmlnb.slides.roi import Polygon, Roi
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tissue import TissueMask, find_tissue
from tests.slides.made import MadeReader, made_slide, tissue_picture

RADIUS_UM = 0.3 * 1200 * 0.5
"""Of the tissue on `small_slide`, 600 x 750 um."""


def box(y: float, x: float, height: float, width: float) -> Roi:
    ring = np.array([(y, x), (y, x + width), (y + height, x + width), (y + height, x)], dtype=float)
    return Roi((Polygon((ring,)),))


def mask_of(array, um: float = 10.0, origin=(0.0, 0.0), **fields) -> TissueMask:
    array = np.asarray(array, dtype=bool)
    return TissueMask(array, PixelGrid(array.shape, (um, um), origin), **fields)


def dice(a, b) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


# Found ----------------------------------------------------------------------------------------------------------------


def test_area_and_share_of_a_slide(small_slide):
    with open_slide(small_slide) as slide:
        tissue = find_tissue(slide)
    assert tissue.area_mm2 == pytest.approx(np.pi * RADIUS_UM**2 * 1e-6, rel=0.08)
    assert tissue.fraction == pytest.approx(np.pi * 360**2 / (1200 * 1500), rel=0.08)
    assert tissue.grid.origin_um == (0.0, 0.0)
    assert tissue.grid.region.height >= 600
    assert tissue.edits == ()


def test_the_area_does_not_depend_on_the_scale_looked_at(small_slide):
    with open_slide(small_slide) as slide:
        areas = [find_tissue(slide, um).area_mm2 for um in (2.0, 4.0, 8.0)]
    assert max(areas) / min(areas) < 1.1


def test_the_same_slide_gives_the_same_mask(small_slide):
    masks = []
    for _ in range(3):
        with open_slide(small_slide) as slide:
            masks.append(find_tissue(slide).mask)
    assert (masks[0] == masks[1]).all()
    assert (masks[0] == masks[2]).all()


def test_one_level_and_a_pyramid_give_nearly_the_same_mask():
    picture = tissue_picture(1024, 1280)
    half = picture.reshape(256, 4, 320, 4, 3).mean(axis=(1, 3)).astype(np.uint8)
    with (
        made_slide(MadeReader([picture], [(128, 128)], reductions=(1, 2, 4, 8)), (0.5, 0.5)) as one,
        made_slide(MadeReader([picture, half], [(128, 128)]), (0.5, 0.5)) as two,
    ):
        assert dice(find_tissue(one).mask, find_tissue(two).mask) > 0.99


def test_what_the_viewer_keeps_stays_in_the_cache(small_slide):
    with open_slide(small_slide) as slide:
        slide.read(0, 0, 0, 500, 500)
        kept = slide.cache.used_bytes
        find_tissue(slide)
        assert slide.cache.used_bytes == kept > 0


def test_an_empty_slide_has_no_tissue():
    with made_slide(MadeReader([np.full((600, 800, 3), 241, np.uint8)], [(64, 64)]), (0.5, 0.5)) as slide:
        tissue = find_tissue(slide)
    assert not tissue.mask.any()
    assert tissue.coverage.percent_of_slide == 0


def test_what_cannot_be_decoded_counts_as_tissue():
    damaged = [(0, 0, 0), (0, 7, 9)]
    reader = MadeReader([np.full((512, 640, 3), 241, np.uint8)], [(64, 64)], damaged=damaged)
    with made_slide(reader, (1.0, 1.0)) as slide:
        tissue = find_tissue(slide, 8.0)
        assert len(slide.damage) == 2
    expected = np.zeros((64, 80), bool)
    expected[:8, :8] = expected[56:, 72:] = True
    assert (tissue.mask == expected).all()


# Measured -------------------------------------------------------------------------------------------------------------


def test_coverage_of_the_slide_and_of_what_was_scanned():
    mask = np.zeros((10, 20), bool)
    mask[2:6, 4:9] = True
    tissue = mask_of(mask, slide=Region(0, 0, 100, 200), scanned=Region(20, 20, 50, 100))
    assert tissue.coverage.tissue_mm2 == pytest.approx(20 * 100e-6)
    assert tissue.coverage.slide_mm2 == pytest.approx(0.02)
    assert tissue.coverage.scanned_mm2 == pytest.approx(0.005)
    assert tissue.coverage.percent_of_slide == pytest.approx(10)
    assert tissue.coverage.percent_of_scanned == pytest.approx(40)
    assert tissue.fraction == pytest.approx(0.1)


def test_pixels_that_reach_beyond_the_edge_count_in_part():
    tissue = mask_of(np.ones((3, 4)), slide=Region(0, 0, 24.0, 35.0))
    assert tissue.area_mm2 == pytest.approx(24 * 35e-6)
    assert tissue.coverage.percent_of_slide == pytest.approx(100)


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.5, 30), st.integers(0, 99))
def test_the_area_is_that_of_the_pixels(rows, columns, um, seed):
    mask = np.random.default_rng(seed).random((rows, columns)) < 0.5
    assert mask_of(mask, um).area_mm2 == pytest.approx(mask.sum() * um**2 * 1e-6)


def test_an_empty_mask_has_no_area():
    tissue = TissueMask(np.zeros((5, 5), bool), PixelGrid((5, 5), Mpp(8, 8).yx))
    assert tissue.area_mm2 == 0
    assert tissue.fraction == 0


def test_a_slide_without_extent_has_no_share():
    assert TissueMask(np.zeros((0, 0), bool), PixelGrid((0, 0), (8.0, 8.0))).fraction == 0


# Restricted and edited ------------------------------------------------------------------------------------------------


def test_only_what_lies_in_the_region(small_slide):
    left = box(0, 0, 600, 375)
    with open_slide(small_slide) as slide:
        whole, half = find_tissue(slide), find_tissue(slide, roi=left)
    assert half.area_mm2 == pytest.approx(whole.area_mm2 / 2, rel=0.05)
    assert (half.mask == whole.restrict(left).mask).all()
    assert not half.mask[:, 48:].any()
    assert half.edits == ()


def test_adding_and_removing_polygons():
    tissue = mask_of(np.zeros((10, 10)))
    more = tissue.add(box(20, 30, 40, 50))
    assert more.area_mm2 == pytest.approx(2000e-6)
    assert more.mask[2:6, 3:8].all()
    less = more.remove(box(20, 30, 40, 20))
    assert less.area_mm2 == pytest.approx(1200e-6)
    assert not tissue.mask.any(), "the old one has not changed"
    assert [edit.kind for edit in less.edits] == ["add", "remove"]
    assert [(edit.gained_mm2, edit.lost_mm2) for edit in less.edits] == [
        (pytest.approx(2000e-6), 0.0),
        (0.0, pytest.approx(800e-6)),
    ]
    assert tissue.edits == ()


def test_replacing_everything_or_a_part():
    tissue = mask_of(np.ones((10, 10)))
    new = box(0, 0, 20, 20)
    assert tissue.replace(new).mask.sum() == 4
    part = tissue.replace(new, within=box(0, 0, 50, 50))
    assert part.mask.sum() == 75 + 4
    assert part.edits[0].kind == "replace"
    assert part.edits[0].within is not None
    assert part.edits[0].lost_mm2 == pytest.approx(21 * 100e-6)


def test_a_mask_on_another_grid():
    """A finer one, shifted: a pixel changes if half of it or more is covered, which its corner of 6 x 6 um is not."""
    finer = mask_of(np.ones((20, 20)), um=2.0, origin=(14.0, 26.0))
    expected = np.zeros((10, 10), bool)
    expected[1:5, 3:7] = True
    expected[1, 6] = False
    assert (mask_of(np.zeros((10, 10))).add(finer).mask == expected).all()


def test_an_edit_with_a_mask_of_the_same_grid_is_exact():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 30, 40)) < 0.5
    tissue, other = mask_of(a), mask_of(b)
    assert (tissue.add(other).mask == (a | b)).all()
    assert (tissue.remove(other).mask == (a & ~b)).all()
    assert (tissue.replace(other).mask == b).all()
    assert (tissue.replace(other, within=other).mask == np.where(b, b, a)).all()


@given(st.integers(0, 99))
def test_what_is_added_and_taken_away_again_was_there_before_or_is_gone(seed):
    a, b = np.random.default_rng(seed).random((2, 12, 9)) < 0.5
    there_and_back = mask_of(a).add(mask_of(b)).remove(mask_of(b))
    assert (there_and_back.mask == (a & ~b)).all()
    gained, lost = (sum(getattr(e, name) for e in there_and_back.edits) for name in ("gained_mm2", "lost_mm2"))
    assert there_and_back.area_mm2 == pytest.approx(mask_of(a).area_mm2 + gained - lost)


def test_edits_outlive_a_region_of_interest():
    edited = mask_of(np.ones((10, 10))).remove(box(0, 0, 50, 50)).restrict(box(0, 0, 100, 60))
    assert len(edited.edits) == 1
    assert edited.mask.sum() == 60 - 25
