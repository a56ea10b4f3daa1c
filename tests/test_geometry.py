from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.geometry import Mpp, PixelGrid, Region, iter_windows

spacings = st.floats(0.05, 500)
origins = st.floats(-1e4, 1e4)
shapes = st.tuples(st.integers(1, 400), st.integers(1, 400))
grids = st.builds(PixelGrid, shapes, st.tuples(spacings, spacings), st.tuples(origins, origins))


@given(grids, st.floats(-1e5, 1e5), st.floats(-1e5, 1e5))
def test_to_pixels_undoes_to_um(grid, row, column):
    assert np.allclose(grid.to_pixels(grid.to_um((row, column))), (row, column), rtol=1e-9, atol=1e-6)


def test_axes_are_not_confused():
    grid = PixelGrid((10, 20), (2.0, 3.0), (100.0, 1000.0))
    assert grid.to_um((1, 2)).tolist() == [102.0, 1006.0]
    assert grid.region == Region(100.0, 1000.0, 20.0, 60.0)
    assert grid.pixel_region(1, 2) == Region(102.0, 1006.0, 2.0, 3.0)
    assert grid.centre_of_first_um == (101.0, 1001.5)
    assert Mpp(0.25, 0.5).yx == (0.5, 0.25)


@given(grids, st.data())
def test_the_window_of_a_pixels_own_region_is_that_pixel(grid, data):
    row = data.draw(st.integers(0, grid.shape[0] - 1))
    column = data.draw(st.integers(0, grid.shape[1] - 1))
    y, x = grid.to_um((row + 0.25, column + 0.25))
    inner = Region(float(y), float(x), grid.spacing_um[0] / 2, grid.spacing_um[1] / 2)
    assert grid.window(inner) == (slice(row, row + 1), slice(column, column + 1))


def test_a_window_is_clipped_to_the_grid():
    grid = PixelGrid((4, 4), (1.0, 1.0))
    assert grid.window(Region(-5, 2.5, 6, 100)) == (slice(0, 1), slice(2, 4))
    assert grid.window(Region(50, 50, 5, 5)) == (slice(4, 4), slice(4, 4))


@given(grids)
def test_a_crop_stays_in_place(grid):
    rows, columns = slice(grid.shape[0] // 3, grid.shape[0]), slice(grid.shape[1] // 2, grid.shape[1])
    cropped = grid.crop(rows, columns)
    assert np.allclose(cropped.to_um((0, 0)), grid.to_um((rows.start, columns.start)))
    assert np.allclose(cropped.to_um(cropped.shape), grid.to_um(grid.shape))


@given(shapes, st.integers(1, 150))
def test_windows_cover_every_pixel_once(shape, size):
    count = np.zeros(shape, dtype=int)
    for rows, columns in iter_windows(shape, size):
        assert max(rows.stop - rows.start, columns.stop - columns.start) <= size
        count[rows, columns] += 1
    assert (count == 1).all()


def test_regions_meet_where_both_cover():
    first = Region(0, 0, 10, 10)
    assert first.intersection(Region(5, 8, 10, 10)) == Region(5, 8, 5, 2)
    assert first.intersection(Region(10, 0, 5, 5)) is None
    assert first.contains(0, 0)
    assert not first.contains(10, 5)
    assert Region(0, 0, 1000, 2000).area_mm2 == pytest.approx(2.0)
    assert first.corners.tolist() == [[0, 0], [0, 10], [10, 10], [10, 0]]


@pytest.mark.parametrize("wrong", [0.0, -0.5, float("nan"), float("inf")])
def test_impossible_scales_are_refused(wrong):
    with pytest.raises(ValueError, match="positive"):
        Mpp(wrong, 0.5)
    with pytest.raises(ValueError, match="grid"):
        PixelGrid((2, 2), (0.5, wrong))


def test_an_impossible_region_is_refused():
    with pytest.raises(ValueError, match="region"):
        Region(0, 0, -1, 5)
