from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.resample import AxisPlan, best_level, resample
from tests.slides.made import MadeReader, made_slide, noise

LEVELS = [PixelGrid((4000, 4000), (0.25, 0.25)), PixelGrid((1000, 1000), (1.0, 1.0)), PixelGrid((250, 250), (4.0, 4.0))]


@pytest.mark.parametrize(
    ("um", "level"),
    [(0.1, 0), (0.25, 0), (0.5, 0), (0.98, 0), (0.995, 1), (1.0, 1), (3.9, 1), (3.97, 2), (4.0, 2), (100.0, 2)],
)
def test_the_coarsest_level_that_is_fine_enough(um, level):
    """Within one per cent, which no eye sees; never the nearest, which may be too coarse."""
    assert best_level(LEVELS, (um, um)) == level


def test_the_coarser_axis_decides():
    assert best_level(LEVELS, (1.0, 5.0)) == 1
    assert best_level([PixelGrid((10, 10), (0.25, 0.25)), PixelGrid((5, 5), (0.5, 0.7))], (0.5, 0.5)) == 0


def ramp(grid: PixelGrid, slope: tuple[float, float]) -> np.ndarray:
    """Grey that rises evenly, by `slope` grey levels a micrometre along y and x: known at every point."""
    y, x = (grid.origin_um[a] + (np.arange(grid.shape[a]) + 0.5) * grid.spacing_um[a] for a in (0, 1))
    return 10 + slope[0] * y[:, None] + slope[1] * x[None]


@given(
    mpp=st.tuples(st.sampled_from([0.25, 0.2499, 0.31, 0.5]), st.sampled_from([0.25, 0.2499, 0.31, 0.5])),
    downsample=st.sampled_from([2.0, 2.5, 3.2, 3.9998, 4.0]),
    um_per_px=st.one_of(st.sampled_from([0.25, 0.5, 1.0, 0.625, 0.75]), st.floats(0.2, 2.5)),
    corner=st.tuples(st.floats(2, 5), st.floats(2, 5)),
    axis=st.sampled_from([0, 1]),
)
def test_an_even_slope_stays_where_it_is_at_any_scale(mpp, downsample, um_per_px, corner, axis):
    """It rises by 2.7 grey levels a level-0 pixel, so that half a pixel too far to a side would be seen."""
    size = (80, 84)
    smaller = tuple(round(side / downsample) for side in size)
    grids = [
        PixelGrid(size, mpp),
        PixelGrid(smaller, tuple(m * side / small for m, side, small in zip(mpp, size, smaller, strict=True))),
    ]
    slope = tuple(2.7 / mpp[axis] if axis == a else 0.0 for a in (0, 1))
    pictures = [np.repeat(np.rint(ramp(grid, slope))[..., None], 3, axis=-1).astype(np.uint8) for grid in grids]
    ends = [side * m - 4 * max(um_per_px, m * downsample) for side, m in zip(size, mpp, strict=True)]
    shape = tuple(int((end - start) / um_per_px) for end, start in zip(ends, corner, strict=True))
    assume(min(shape) >= 1)
    target = PixelGrid(shape, (um_per_px, um_per_px), corner)
    with made_slide(MadeReader(pictures, [(32, 24), (20, 30)]), (mpp[1], mpp[0])) as slide:
        out = slide.read_grid(target)
    assert out.shape == (*shape, 3)
    # Three roundings to whole grey levels, and positions to a 32nd of an interpolated pixel.
    rounding = 1.5 + sum(slope) * um_per_px / 32
    difference = out[..., 0] - ramp(target, slope)
    assert np.abs(difference).max() <= rounding + 0.01
    assert abs(difference.mean()) <= 0.5 + 2.7 / 10


@given(
    spacing=st.floats(0.1, 1.0), scale=st.floats(0.3, 40.0), first=st.floats(-500, 500), count=st.integers(1, 300),
    level_origin=st.floats(-50, 50),
)  # fmt: skip
def test_what_is_read_covers_what_is_wanted(spacing, scale, first, count, level_origin):
    level = PixelGrid((10, 10), (spacing, 1.0), (level_origin, 0.0))
    target = PixelGrid((count, 1), (scale * spacing, 1.0), (level_origin + first * spacing, 0.0))
    plan = AxisPlan.between(level, target, 0)
    assert plan.length % plan.block == 0
    start, end = first, first + count * scale
    assert plan.start <= start + 1e-5
    assert plan.start + plan.length >= end - 1e-5
    # No more than a few blocks too much, and the target's first edge is where it should be.
    assert plan.length <= end - start + 8 * plan.block
    assert plan.start + plan.offset * plan.block == pytest.approx(start, abs=1e-5)
    assert plan.step * plan.block == pytest.approx(scale, rel=1e-9)


@pytest.mark.parametrize(("um", "copies"), [(0.25, True), (0.5, True), (1.0, True), (0.26, False), (0.375, False)])
def test_where_the_grids_coincide_nothing_is_interpolated(um, copies):
    level = PixelGrid((1000, 1000), (0.25, 0.25))
    for index in (0, 3, 17):
        plan = AxisPlan.between(level, PixelGrid((224, 224), (um, um), (index * 224 * um, 0.0)), 0)
        assert plan.copies == copies
        assert not copies or plan.length == 224 * plan.block


def test_a_fine_pattern_becomes_its_mean_and_no_moire():
    picture = np.zeros((600, 600, 3), np.uint8)
    picture[::2, ::2] = picture[1::2, 1::2] = 200
    with made_slide(MadeReader([picture], [(100, 100)])) as slide:
        for um in (4.0, 6.0, 5.3):
            out = slide.read_grid(PixelGrid((40, 40), (um, um), (20.3, 31.9)))
            assert np.abs(out.astype(int) - 100).max() <= 4  # of 5 x 5 pixels 12 or 13 are bright


def test_a_target_that_begins_between_two_pixels_lies_between_them():
    picture = noise(50, 50)
    out = resample(lambda level, y, x, h, w: picture[y : y + h, x : x + w], [PixelGrid((50, 50), (1.0, 1.0))],
                   PixelGrid((20, 20), (1.0, 1.0), (10.5, 10.0)))  # fmt: skip
    between = (picture[10:30, 10:30].astype(float) + picture[11:31, 10:30]) / 2
    assert np.abs(out - between).max() <= 0.5
