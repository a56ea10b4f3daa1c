from __future__ import annotations

import numpy as np
import pytest

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.tile_grid import TileGrid
from napari_mmlnb.slides.tile_order import block_order, block_side, fair_order


def tiles_of(rows: int, columns: int) -> TileGrid:
    cells = np.argwhere(np.ones((rows, columns), bool)).astype(np.int32)
    return TileGrid(PixelGrid((rows, columns), (112.0, 112.0)), cells, 224, 0.5)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (40, 70)])
def test_every_tile_comes_once_and_always_the_same_way(shape):
    tiles = tiles_of(*shape)
    for make in (fair_order, block_order):
        order = make(tiles)
        assert sorted(order.tolist()) == list(range(len(tiles)))
        assert (order == make(tiles)).all()


def test_blocks_are_read_one_after_the_other():
    tiles = tiles_of(20, 30)
    cells = tiles.cells[block_order(tiles)]
    assert len({tuple(cell // 8) for cell in cells[:64]}) == 1
    assert cells[:64].tolist() == sorted(cells[:64].tolist()), "row by row within one"
    assert len({tuple(cell // 8) for cell in cells[64:128]}) == 1


def test_no_tiles_no_order():
    tiles = TileGrid(PixelGrid((3, 3), (112.0, 112.0)), np.zeros((0, 2), np.int32), 224, 0.5)
    assert fair_order(tiles).tolist() == block_order(tiles).tolist() == []


def test_every_prefix_is_spread_over_the_tissue():
    tiles = tiles_of(96, 96)
    order = fair_order(tiles)
    quarters = (tiles.cells // 48) @ (2, 1)
    for share in (100, 250, 3000, 6000):
        counts = np.bincount(quarters[order[:share]], minlength=4)
        assert counts.min() > 0.15 * share, (share, counts)


def test_neighbours_come_together_after_the_sample():
    tiles = tiles_of(96, 96)
    order = fair_order(tiles)
    steps = np.abs(np.diff(tiles.cells[order[256:]], axis=0)).max(axis=1)
    assert (steps <= 8).mean() > 0.95


def test_blocks_end_where_stored_tiles_end():
    assert block_side(448.0, 240.0) == 15
    assert block_side(448.0, 256.0) == 8
    assert block_side(448.0, 512.0) == 8
    assert block_side(112.7, 61.3) == 8
    assert block_side(112.0, None) == 8
