from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.backends.base import LevelShape
from napari_mmlnb.slides.tile_grid import TileGrid
from napari_mmlnb.slides.tile_plan import TilePlan


def plan_of(
    tiles: TileGrid, *, size=(4000, 4000), tile=(240, 240), mpp=(0.25, 0.25), downsamples=(1.0, 4.0), **options
) -> TilePlan:
    """The plan for a slide of that size; `mpp` is (y, x)."""
    shapes = [tuple(max(1, round(extent / downsample)) for extent in size) for downsample in downsamples]
    levels = [LevelShape(h, w, size[0] / h, size[1] / w, *tile) for h, w in shapes]
    grids = [PixelGrid((v.height, v.width), (mpp[0] * v.downsample_y, mpp[1] * v.downsample_x)) for v in levels]
    return TilePlan(levels, grids, tiles, [(1, 2, 4, 8)] * len(levels), **options)


def grid_of(cells, tile_px=224, um_per_px=0.5, stride_px=None, origin=(0.0, 0.0)) -> TileGrid:
    side = (stride_px or tile_px) * um_per_px
    cells = np.array(cells, np.int32).reshape(-1, 2)
    return TileGrid(PixelGrid((10_000, 10_000), (side, side), origin), cells, tile_px, um_per_px)


def pixels_needed(plan: TilePlan, index: int) -> set:
    return {(row.stored, column.stored) for row in plan.pieces(index)[0] for column in plan.pieces(index)[1]}


@pytest.mark.parametrize(
    ("um_per_px", "level"), [(0.2, 0), (0.25, 0), (0.5, 0), (0.98, 0), (0.995, 1), (1.0, 1), (8.0, 1)]
)
def test_the_coarsest_level_that_is_fine_enough_is_read(um_per_px, level):
    assert plan_of(grid_of([(0, 0)], um_per_px=um_per_px)).level == level


@pytest.mark.parametrize(
    ("um_per_px", "tile", "reduction", "stored"),
    [
        (0.25, 240, 1, 240),  # native
        (0.5, 240, 2, 120),
        (0.75, 240, 1, 80),  # no decoder reduces by three: the mean over blocks
        (0.5, 241, 1, 241),  # two does not divide the stored tiles: reduced when put together
        (0.6, 240, 2, 120),  # by two in the decoder, the rest by interpolation
        (0.3, 240, 1, 240),
    ],
)
def test_how_much_the_decoder_reduces(um_per_px, tile, reduction, stored):
    tiles = grid_of([(0, 0), (3, 2)], um_per_px=um_per_px)
    plan = plan_of(tiles, tile=(tile, tile), downsamples=(1.0,), in_decoder=True)
    assert plan.decoder_reduction == reduction
    assert plan.stored_shape == (stored, stored)
    assert plan_of(tiles, tile=(tile, tile), downsamples=(1.0,)).decoder_reduction == 1


def test_the_decoder_reduces_both_axes_alike_or_not_at_all():
    tiles = grid_of([(0, 0)])
    assert plan_of(tiles, mpp=(0.25, 0.125), in_decoder=True).decoder_reduction == 2
    assert plan_of(tiles, mpp=(0.5, 0.25), in_decoder=True).decoder_reduction == 1


def test_a_tile_needs_the_stored_tiles_that_it_touches():
    # 448 level pixels a tile: the second one covers 448 to 896, which lies in the stored tiles 1 to 3.
    plan = plan_of(grid_of([(1, 0)]))
    rows, columns = plan.pieces(0)
    assert [piece.stored for piece in rows] == [1, 2, 3]
    assert [piece.stored for piece in columns] == [0, 1]
    assert plan.copies


def test_only_what_lies_inside_is_copied_as_it_is():
    plan = plan_of(grid_of([(0, 0), (8, 0), (0, 8), (30, 30)]), size=(4000, 4000))
    assert plan.inside(np.arange(4)).tolist() == [True, False, False, False]
    assert plan.pieces(3) == ((), ())


def test_no_cells_no_uses():
    plan = plan_of(grid_of([]))
    assert plan.uses(np.zeros(0, np.int64)).sum() == 0


@given(
    tile=st.tuples(st.integers(3, 60), st.integers(3, 60)),
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    mpp=st.tuples(st.sampled_from([0.25, 0.31, 0.499]), st.sampled_from([0.25, 0.31, 0.499])),
    um_per_px=st.sampled_from([0.25, 0.31, 0.5, 0.62, 0.75, 1.0, 1.37]),
    tile_px=st.integers(1, 30),
    stride_px=st.integers(1, 40),
    origin=st.sampled_from([(0.0, 0.0), (0.5, 3.1), (-4.2, 0.0)]),
    cells=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=30, unique=True),
    data=st.data(),
)
def test_pieces_fill_the_window_and_uses_count_them(
    tile, size, mpp, um_per_px, tile_px, stride_px, origin, cells, data
):
    tiles = grid_of(cells, tile_px, um_per_px, stride_px, origin)
    plan = plan_of(tiles, size=size, tile=tile, mpp=mpp, downsamples=(1.0, 2.5))
    order = np.array(data.draw(st.permutations(range(len(tiles)))), np.int64)[: data.draw(st.integers(0, 30))]
    uses = np.zeros_like(plan.uses(order))
    for index in order.tolist():
        for piece in (piece for axis in plan.pieces(index) for piece in axis):
            assert piece.to.stop - piece.to.start == piece.of.stop - piece.of.start > 0
        for axis in (0, 1):
            pieces = plan.pieces(index)[axis]
            covered = [pixel for piece in pieces for pixel in range(piece.to.start, piece.to.stop)]
            if covered:
                assert covered == list(range(covered[0], covered[-1] + 1))
                assert min(covered) >= 0
                assert max(covered) < plan.window_shape[axis]
            assert all(piece.of.start >= 0 and piece.of.stop <= plan.stored_shape[axis] for piece in pieces)
        for stored in pixels_needed(plan, index):
            uses[stored] += 1
    assert (plan.uses(order) == uses).all()
