from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.area_share import area_share


def overlaps(count: int, spacing: float, origin: float, of: int, of_spacing: float, of_origin: float) -> np.ndarray:
    """How much of each of `of` pixels each of `count` pixels covers along an axis, (count, of)."""
    start = origin + np.arange(count)[:, None] * spacing
    of_start = of_origin + np.arange(of)[None] * of_spacing
    return np.clip(np.minimum(start + spacing, of_start + of_spacing) - np.maximum(start, of_start), 0, None)


def expected(mask: np.ndarray, grid: PixelGrid, target: PixelGrid) -> np.ndarray:
    rows, columns = (
        overlaps(
            target.shape[axis],
            target.spacing_um[axis],
            target.origin_um[axis],
            grid.shape[axis],
            grid.spacing_um[axis],
            grid.origin_um[axis],
        )
        for axis in (0, 1)
    )
    return rows @ mask @ columns.T / np.prod(target.spacing_um)


@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    spacing=st.tuples(st.floats(0.5, 9), st.floats(0.5, 9)),
    origin=st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
    target_shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    target_spacing=st.tuples(st.floats(0.5, 30), st.floats(0.5, 30)),
    seed=st.integers(0, 99),
)
def test_shares_are_areas(shape, spacing, origin, target_shape, target_spacing, seed):
    mask = np.random.default_rng(seed).random(shape) < 0.5
    grid, target = PixelGrid(shape, spacing, origin), PixelGrid(target_shape, target_spacing, (-3.0, 2.0))
    np.testing.assert_allclose(area_share(mask, grid, target), expected(mask, grid, target), atol=1e-9)


def test_a_large_mask_is_taken_in_strips_that_fit_together():
    mask = np.random.default_rng(0).random((1500, 700)) < 0.3
    grid, target = PixelGrid(mask.shape, (8.0, 8.0)), PixelGrid((107, 51), (112.3, 111.9))
    np.testing.assert_allclose(area_share(mask, grid, target), expected(mask, grid, target), atol=1e-9)


def test_nothing_there_nothing_shared():
    grid = PixelGrid((4, 4), (1.0, 1.0))
    assert area_share(np.ones((4, 4), bool), grid, PixelGrid((0, 3), (1.0, 1.0))).shape == (0, 3)
    far = PixelGrid((2, 2), (1.0, 1.0), (50.0, 50.0))
    assert area_share(np.ones((4, 4), bool), grid, far).tolist() == [[0, 0], [0, 0]]
