"""Outlines: the area of the mask to the pixel, simple rings, holes where holes are."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.report.outline import mask_polygons, signed_area

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))
spacings = st.floats(0.1, 100)


def inside(ring, y, x):
    """Even-odd rule."""
    answer = False
    for (y0, x0), (y1, x1) in pairwise(ring):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            answer = not answer
    return answer


@settings(max_examples=150, deadline=None)
@given(masks, spacings, spacings, st.floats(-1e4, 1e4))
def test_polygons_cover_exactly_the_mask(mask, sy, sx, origin):
    grid = PixelGrid(mask.shape, (sy, sx), (origin, -origin))
    polygons = mask_polygons(mask, grid)
    for row, column in np.ndindex(mask.shape):
        y, x = grid.pixel_region(row, column).centre
        covering = [p for p in polygons if inside(p.exterior, y, x) and not any(inside(hole, y, x) for hole in p.holes)]
        assert len(covering) == int(mask[row, column])


@settings(max_examples=150, deadline=None)
@given(masks)
def test_rings_are_closed_simple_and_turn_the_right_way(mask):
    for polygon in mask_polygons(mask, PixelGrid(mask.shape, (1, 1))):
        assert signed_area(polygon.exterior) > 0
        assert all(signed_area(hole) < 0 for hole in polygon.holes)
        for ring in (polygon.exterior, *polygon.holes):
            assert np.array_equal(ring[0], ring[-1])
            assert len(ring) >= 5
            assert len({tuple(point) for point in ring[:-1]}) == len(ring) - 1


def test_a_ring_has_one_hole_and_only_corners():
    mask = np.ones((5, 6), bool)
    mask[2, 2:4] = False
    (polygon,) = mask_polygons(mask, PixelGrid(mask.shape, (2.0, 3.0), (10.0, 100.0)))
    assert {tuple(p) for p in polygon.exterior} == {(10, 100), (10, 118), (20, 118), (20, 100)}
    (hole,) = polygon.holes
    assert {tuple(p) for p in hole} == {(14, 106), (14, 112), (16, 112), (16, 106)}


def test_an_island_in_a_hole_is_a_polygon_of_its_own():
    mask = np.ones((7, 7), bool)
    mask[1:6, 1:6] = False
    mask[3, 3] = True
    large, small = mask_polygons(mask, PixelGrid(mask.shape, (1, 1)))
    assert len(large.holes) == 1
    assert signed_area(small.exterior) == 1


def test_mask_and_grid_must_agree():
    with pytest.raises(ValueError, match="does not lie"):
        mask_polygons(np.ones((2, 2), bool), PixelGrid((3, 2), (1, 1)))
