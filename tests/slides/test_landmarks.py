"""A dot drawn at a known micrometre is found there, whichever way the slide is read."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.backends.base import LevelShape
from napari_mmlnb.slides.pyramid_levels import pyramid_levels
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tile_grid import TileGrid
from napari_mmlnb.slides.tile_reader import TileReader
from tests.slides.dots import dot_picture, found_um
from tests.slides.made import write_tiff

# Sizes whose ratios to the further level are 2, 2.5, 3.2, 3.9998 and 4; the last one differs between the axes.
CASES = {
    "2": ((800, 1000), 2.0, (0.5, 0.5), (523.3, 771.8)),
    "2.5": ((800, 1000), 2.5, (0.25, 0.25), (401.7, 903.2)),
    "3.2": ((960, 1280), 3.2, (0.35, 0.35), (811.4, 1101.1)),
    "3.9998": ((256, 19999), 3.9998, (0.25, 0.25), (133.6, 19871.3)),
    "4": ((1024, 1200), 4.0, (0.4990, 0.4990), (700.25, 1003.75)),
    "4, mpp_x != mpp_y": ((1024, 1200), 4.0, (0.25, 0.31), (700.25, 1003.75)),
    "odd sizes": ((1023, 1201), 4.0, (0.25, 0.25), (960.6, 1150.3)),
}


@pytest.fixture(params=CASES, scope="module")
def case(request):
    """Size, downsample, mpp (x, y) and the dot's centre of a case; the truth, micrometres, and half a level-0 pixel."""
    size, downsample, mpp, centre = CASES[request.param]
    return size, downsample, mpp, centre, np.array(centre) * (mpp[1], mpp[0]), 0.5 * np.array((mpp[1], mpp[0]))


@pytest.fixture(params=["deflate", "jpeg"], scope="module")
def dotted(request, case, tmp_path_factory):
    """Write the slide of a case; give its path, the dot in micrometres, and half a level-0 pixel.

    JPEG is reduced by its decoder where levels are computed, everything else by means.
    """
    size, downsample, mpp, centre, truth, tolerance = case
    path = tmp_path_factory.mktemp("dot") / f"{request.param}.tiff"
    picture = dot_picture(*size, centre)
    write_tiff(path, picture=picture, downsamples=(downsample,), mpp=mpp, compression=request.param)
    return path, truth, tolerance


@pytest.mark.parametrize("backend", ["tiff", "openslide"])
def test_in_every_level_of_the_pyramid(dotted, backend):
    path, truth, tolerance = dotted
    with open_slide(path, backend=backend) as slide:
        assert len(slide.grids) == 2
        steps = [b.spacing_um[1] / a.spacing_um[1] for a, b in pairwise(slide.pyramid_grids)]
        assert max(steps) <= 3.0
        assert len(slide.pyramid) > 2 or steps[0] <= 3.0
        for array, grid in zip(slide.pyramid, slide.pyramid_grids, strict=True):
            window = _around(grid, truth)
            found = found_um(array[window], grid.crop(*window))
            # OpenSlide takes whole level-0 positions and interpolates: half a pixel of its own comes on top.
            limit = tolerance if backend == "tiff" else 2 * tolerance
            assert (np.abs(found - truth) < limit).all(), (grid, found, truth)


@pytest.mark.parametrize("reduce_in_decoder", [False, True])
@pytest.mark.parametrize("scale", [1.0, 2.0, 2.5])
def test_in_tiles_at_multiples_of_the_slides_scale(dotted, scale, reduce_in_decoder):
    path, truth, tolerance = dotted
    with open_slide(path) as slide:
        found = _in_tiles(slide, truth, scale * slide.mpp.x, reduce_in_decoder=reduce_in_decoder)
    assert (np.abs(found - truth) < tolerance).all(), (found, truth)


@pytest.mark.parametrize("um_per_px", [0.5, 0.8, 1.0, 1.37])
def test_in_tiles_of_any_scale(dotted, um_per_px):
    path, truth, tolerance = dotted
    with open_slide(path) as slide:
        found = _in_tiles(slide, truth, um_per_px)
    assert (np.abs(found - truth) < tolerance).all(), (found, truth)


def test_reduced_in_the_decoder_it_is_where_it_is_without(tmp_path):
    """On an Aperio-like slide, 0.25 um to 0.5 um, where this is the usual way: to a fiftieth of a pixel."""
    centre = (403.3, 651.8)
    path = tmp_path / "aperio.tiff"
    picture = dot_picture(960, 1200, centre)
    write_tiff(path, picture=picture, downsamples=(4.0,), mpp=(0.25, 0.25), compression="jpeg", tile=240)
    truth = np.array(centre) * 0.25
    with open_slide(path) as slide:
        assert 2 in slide.tiles.reductions(0)
        found = [_in_tiles(slide, truth, 0.5, reduce_in_decoder=reduce) for reduce in (False, True)]
    assert np.abs(found[0] - found[1]).max() < 0.005
    assert np.abs(found[1] - truth).max() < 0.05


def _in_tiles(slide, truth, um_per_px: float, *, reduce_in_decoder: bool = False):
    """Where the dot is found in the nine tiles around it: on the edge of one it would be cut."""
    side = 96 * um_per_px
    rows, columns = (int(t // side) for t in truth)
    cells = np.array([(r, c) for r in range(rows - 1, rows + 2) for c in range(columns - 1, columns + 2)], np.int32)
    tiles = TileGrid(PixelGrid((10_000, 10_000), (side, side)), cells, 96, um_per_px)
    with TileReader(slide, tiles, batch=4, reduce_in_decoder=reduce_in_decoder) as reader:
        pixels = np.concatenate([batch.pixels for batch in reader])
    whole = pixels.reshape(3, 3, 96, 96, 3).transpose(0, 2, 1, 3, 4).reshape(288, 288, 3)
    origin = ((rows - 1) * side, (columns - 1) * side)
    return found_um(whole, PixelGrid((288, 288), (um_per_px, um_per_px), origin))


@pytest.mark.parametrize("max_px", [5000, 401, 150])
@pytest.mark.parametrize("downsamples", [(), (2.5,), (4.0,)])
def test_in_thumbnails(tmp_path, max_px, downsamples):
    centre, mpp = (722.8, 1011.3), (0.25, 0.31)
    picture = dot_picture(1401, 1650, centre, sigma_px=25)
    path = write_tiff(tmp_path / "dot.tiff", picture=picture, downsamples=downsamples, mpp=mpp)
    with open_slide(path) as slide:
        rgb, grid = slide.thumbnail(max_px)
    assert max(rgb.shape[:2]) <= max_px
    assert rgb.shape[:2] == grid.shape
    assert grid.spacing_um[0] == grid.spacing_um[1] >= 0.31
    truth = np.array(centre) * (mpp[1], mpp[0])
    assert (np.abs(found_um(rgb, grid) - truth) < 0.5 * np.array((mpp[1], mpp[0]))).all()


def test_in_the_thumbnail_of_a_long_slide(tmp_path):
    centre = (133.6, 19871.3)
    path = write_tiff(tmp_path / "long.tiff", picture=dot_picture(256, 19999, centre), downsamples=(3.9998,))
    with open_slide(path) as slide:
        rgb, grid = slide.thumbnail(5000)
    assert (np.abs(found_um(rgb, grid) - np.array(centre) * 0.5) < 0.25).all()


@pytest.mark.parametrize("compression", ["deflate", "jpeg"])
def test_in_virtual_levels_of_a_slide_with_one(tmp_path, compression):
    centre, mpp = (3500.7, 1800.2), 0.25
    picture = dot_picture(4203, 2101, centre)
    path = write_tiff(tmp_path / "one.tiff", picture=picture, mpp=(mpp, mpp), compression=compression)
    with open_slide(path) as slide:
        shapes = [grid.shape for grid in slide.pyramid_grids]
        assert shapes == [(4203, 2101), (2102, 1051), (1051, 526)]
        assert [array.shape for array in slide.pyramid] == [(*shape, 3) for shape in shapes]
        for array, grid in zip(slide.pyramid, slide.pyramid_grids, strict=True):
            found = found_um(array[:], grid)
            assert (np.abs(found - np.array(centre) * mpp) < mpp / 2).all(), (grid, found)


def test_virtual_levels_stop_below_2000_pixels():
    shape = LevelShape(40_000, 60_001, 1.0, 1.0)
    grids = [level.grid for level in pyramid_levels([shape], [PixelGrid((40_000, 60_001), (0.25, 0.25))])]
    assert max(grids[-1].shape) < 2000 <= max(grids[-2].shape)
    assert grids[-1].spacing_um == (0.25 * 32, 0.25 * 32)
    assert grids[-1].region.width >= grids[0].region.width


def _around(grid: PixelGrid, um) -> tuple[slice, slice]:
    """A window of a level around a point, wide enough for the dot."""
    y, x = (int(v) for v in grid.to_pixels(um))
    return slice(max(0, y - 70), min(grid.shape[0], y + 70)), slice(max(0, x - 70), min(grid.shape[1], x + 70))
