from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.tile_grid import build_tile_grid, tissue_share
from napari_mmlnb.slides.tissue import TissueMask


def mask_of(array, um: float = 8.0) -> TissueMask:
    array = np.asarray(array, dtype=bool)
    return TissueMask(array, PixelGrid(array.shape, (um, um)))


def test_tiles_are_anchored_at_the_slides_origin():
    mask = np.zeros((100, 100), bool)
    mask[40:60, 30:80] = True
    tiles = build_tile_grid(mask_of(mask), tile_px=224, um_per_px=0.5)
    assert tiles.grid.spacing_um == (112.0, 112.0)
    assert tiles.grid.origin_um == (0.0, 0.0)
    mask[39, 30:80] = True
    moved = build_tile_grid(mask_of(mask), tile_px=224, um_per_px=0.5)
    shared = {tuple(cell) for cell in tiles.cells.tolist()} & {tuple(cell) for cell in moved.cells.tolist()}
    assert len(shared) == len(tiles)


def test_a_tiles_region_is_where_its_cell_says():
    tiles = build_tile_grid(mask_of(np.ones((30, 40))), tile_px=100, um_per_px=0.3, min_tissue=0)
    index = tiles.cells.tolist().index([2, 5])
    assert tiles.region(index).yxhw == pytest.approx((60.0, 150.0, 30.0, 30.0))
    assert tiles.pixels(index).region.yxhw == pytest.approx(tiles.region(index).yxhw)


def test_tissue_is_measured_by_area():
    mask = np.zeros((4, 4), bool)
    mask[:, :2] = True
    shares = tissue_share(mask_of(mask, um=10), PixelGrid((1, 2), (40.0, 30.0)))
    assert shares.tolist() == [[pytest.approx(2 / 3), 0.0]]
    assert len(build_tile_grid(mask_of(mask, 10), tile_px=30, um_per_px=1, min_tissue=0.6)) == 1
    assert len(build_tile_grid(mask_of(mask, 10), tile_px=30, um_per_px=1, min_tissue=0.7)) == 0


def test_what_lies_beyond_the_slide_counts_as_no_tissue():
    tiles = build_tile_grid(mask_of(np.ones((10, 15)), um=10), tile_px=100, um_per_px=1, min_tissue=0.6)
    assert tiles.grid.shape == (1, 2)
    assert tiles.cells.tolist() == [[0, 0]]


@given(st.integers(1, 40), st.integers(1, 40), st.floats(1, 20), st.floats(3, 200), st.integers(0, 2**32 - 1))
def test_shares_add_up_to_the_tissue(rows, columns, um, side, seed):
    mask = np.random.default_rng(seed).random((rows, columns)) < 0.4
    tissue = mask_of(mask, um)
    shape = tuple(int(np.ceil(n * um / side)) for n in mask.shape)
    shares = tissue_share(tissue, PixelGrid(shape, (side, side)))
    assert shares.min() >= 0
    assert shares.max() <= 1
    assert shares.sum() * side**2 == pytest.approx(mask.sum() * um**2, rel=1e-6, abs=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_whole_pixels_agree_with_counting(seed):
    mask = np.random.default_rng(seed).random((24, 36)) < 0.5
    shares = tissue_share(mask_of(mask), PixelGrid((4, 6), (48.0, 48.0)))
    assert np.allclose(shares, mask.reshape(4, 6, 6, 6).mean(axis=(1, 3)))


def test_no_tissue_gives_no_tiles_whatever_is_asked():
    assert len(build_tile_grid(mask_of(np.zeros((50, 50))), min_tissue=0)) == 0


@pytest.mark.parametrize("wrong", [{"tile_px": 0}, {"um_per_px": 0}, {"min_tissue": 1.5}])
def test_impossible_requests_are_refused(wrong):
    with pytest.raises(ValueError, match="tile grid"):
        build_tile_grid(mask_of(np.ones((5, 5))), **wrong)
