"""The overlay: every tile over its own place, hard-edged, and what could not be read plainly marked."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.report.overlay import OUTLINE_RGB, draw_attention, draw_slide, enlarged, sample
from napari_mmlnb.result import TileState
from tests.report.factories import make_maps


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.floats(1, 30), st.floats(1, 30)),
    st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
)
def test_each_pixel_shows_the_tile_under_its_centre(shape, target_shape, spacing, origin):
    grid = PixelGrid(shape, (10.0, 7.0))
    target = PixelGrid(target_shape, spacing, origin)
    values = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    found = sample(values, grid, target, np.nan)
    for row, column in np.ndindex(target_shape):
        y, x = target.pixel_region(row, column).centre
        if grid.region.contains(y, x):
            assert grid.pixel_region(*divmod(int(found[row, column]), shape[1])).contains(y, x)
        else:
            assert np.isnan(found[row, column])


def test_a_hot_tile_is_coloured_to_its_edges_and_not_beyond():
    maps = make_maps()
    attention = np.zeros_like(maps.attention)
    attention[6, 5] = 4.0
    hot = replace(maps, attention=attention, state=np.ones_like(maps.state), tissue=np.zeros_like(maps.tissue))
    changed = (draw_attention(hot) != draw_slide(hot)).any(axis=2)
    _, grid = enlarged(hot)
    rows, columns = grid.window(hot.grid.pixel_region(6, 5))
    expected = np.zeros_like(changed)
    expected[rows, columns] = True
    assert np.array_equal(changed, expected)


def test_unreadable_tiles_are_hatched_in_both_pictures():
    maps = replace(make_maps(), tissue=np.zeros_like(make_maps().tissue))
    row, column = np.argwhere(maps.state == TileState.UNREADABLE)[0]
    plain, grid = enlarged(maps)
    window = grid.window(maps.grid.pixel_region(int(row), int(column)))
    for picture in (draw_slide(maps), draw_attention(maps)):
        inside = picture[window]
        assert len(np.unique(inside.reshape(-1, 3), axis=0)) == 2, "two tones and no tissue"
        assert (inside != plain[window]).any()


def test_the_outline_runs_along_the_edge_of_the_tissue():
    maps = make_maps()
    tissue = np.zeros_like(maps.tissue)
    tissue[40:100, 60:120] = True
    maps = replace(maps, tissue=tissue, state=np.zeros_like(maps.state))
    picture = draw_slide(maps).astype(int)
    drawn = (np.abs(picture - OUTLINE_RGB).sum(axis=2) < 60).nonzero()
    scale = picture.shape[0] / tissue.shape[0]
    for found, (low, high) in zip(drawn, ((40, 100), (60, 120)), strict=True):
        assert found.min() == pytest.approx(low * scale, abs=2)
        assert found.max() == pytest.approx(high * scale, abs=2)


def test_the_enlarged_thumbnail_covers_the_same_rectangle():
    maps = make_maps()
    rgb, grid = enlarged(maps)
    assert rgb.shape[:2] == grid.shape
    assert grid.region.yxhw == pytest.approx(maps.thumbnail_grid.region.yxhw)
