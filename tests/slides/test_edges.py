"""At the edge of a slide, and of what was scanned of it: white outside, whichever way it is read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_mmlnb.geometry import PixelGrid, Region
from napari_mmlnb.slides.resample import best_level
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tile_grid import TileGrid
from napari_mmlnb.slides.tile_reader import TileReader
from tests.slides.made import BEYOND, MadeReader, area_level, made_slide, noise, write_tiff

MPP = 0.5
INK = 40


@pytest.fixture(params=["edge of the slide", "edge of its bounds"])
def cut(request):
    """A slide that is dark up to 203 x 251 px, and how far that is in micrometres: its edge, or its bounds'."""
    dark = np.full((203, 251, 3), INK, np.uint8)
    if request.param == "edge of the slide":
        reader = MadeReader([dark, dark[:51, :63]], [(32, 32)])
    else:
        canvas = np.full((300, 400, 3), 255, np.uint8)
        canvas[:203, :251] = dark
        reader = MadeReader([canvas, area_level(canvas, 75, 100)], [(32, 32)])
        reader.metadata = replace(reader.metadata, bounds_px=(0, 0, 203, 251))
    with made_slide(reader, (MPP, MPP)) as slide:
        yield slide, 203 * MPP, 251 * MPP


def tile(slide, region: Region, px: int, um_per_px: float):
    """A tile through the reader of tiles."""
    side = px * um_per_px
    grid = PixelGrid((1, 1), (side, side), (region.y, region.x))
    with TileReader(slide, TileGrid(grid, np.zeros((1, 2), np.int32), px, um_per_px)) as reader:
        (batch,) = reader
    assert batch.readable.all()
    return batch.pixels[0]


@pytest.mark.parametrize("um_per_px", [0.5, 0.73, 1.0, 1.31, 2.0, 3.1])
@pytest.mark.parametrize("how", ["tile", "region"])
def test_a_tile_across_the_edge_is_white_beyond_it(cut, um_per_px, how):
    """Pixels wholly inside are the slide's, pixels wholly outside are white; only on the edge are they between."""
    slide, bottom, right = cut
    px = 48
    corner = (bottom - px * um_per_px * 0.61, right - px * um_per_px * 0.37)
    region = Region(*corner, px * um_per_px, px * um_per_px)
    out = tile(slide, region, px, um_per_px) if how == "tile" else slide.read_region(region, um_per_px)
    assert out.shape == (px, px, 3)
    # Linear interpolation reaches one pixel of the level that is read, and one of the tile's, to either side.
    level_um = slide.grids[best_level(slide.grids, (um_per_px, um_per_px))].spacing_um[0]
    reach = um_per_px + level_um
    rows, columns = (c + (np.arange(px) + 0.5) * um_per_px for c in corner)
    inside = (rows[:, None] < bottom - reach) & (columns[None] < right - reach)
    outside = (rows[:, None] > bottom + reach) | (columns[None] > right + reach)
    assert inside.any()
    assert outside.any()
    assert (out[inside] == INK).all()
    assert (out[outside] == 255).all()
    assert out.min() >= INK


@pytest.mark.parametrize("um_per_px", [0.5, 1.0, 1.31])
def test_before_the_origin_it_is_white_too(cut, um_per_px):
    slide, _, _ = cut
    region = Region(-20.0, -30.0, 40.0, 60.0)
    out = slide.read_region(region, um_per_px)
    rows, columns = (int(side / um_per_px) for side in (20, 30))
    assert (out[: rows - 1] == 255).all()
    assert (out[:, : columns - 1] == 255).all()
    assert (out[rows + 2 :, columns + 2 :] == INK).all()


def test_at_the_slides_own_scale_the_edge_is_sharp(cut):
    slide, bottom, right = cut
    out = tile(slide, Region(bottom - 10.0, right - 7.5, 32.0, 32.0), 64, 0.5)
    expected = np.full((64, 64, 3), 255, np.uint8)
    expected[:20, :15] = INK
    assert (out == expected).all()


def test_a_tile_wholly_outside_is_white(cut):
    slide, bottom, right = cut
    for um_per_px in (0.5, 1.31):
        assert (tile(slide, Region(bottom + 50, right + 50, 20, 20), 16, um_per_px) == 255).all()


def test_what_a_file_stores_beyond_its_edge_is_never_seen():
    """Tiles are padded, with anything: here with 77."""
    picture = noise(203, 251) // 2 + 128
    picture[picture == BEYOND] = 78
    with made_slide(MadeReader([picture, picture[:51, :63]], [(32, 32)]), (MPP, MPP)) as slide:
        seen = [array[:] for array in slide.pyramid]
        seen += [slide.thumbnail(1000)[0], slide.thumbnail(60)[0]]
        seen += [tile(slide, Region(80, 100, 64, 64), 64, 1.0), tile(slide, Region(80, 100, 64, 64), 49, 1.31)]
        assert min(int(pixels.min()) for pixels in seen) >= 128


def test_computed_levels_of_an_odd_slide_take_no_white_in():
    """The last pixel of a computed level stands for what is left of its pair, so the edge does not fade."""
    with made_slide(MadeReader([np.full((2101, 2003, 3), INK, np.uint8)], [(64, 64)]), (MPP, MPP)) as slide:
        assert [array.shape for array in slide.pyramid] == [(2101, 2003, 3), (1051, 1002, 3)]
        assert all((array[:] == INK).all() for array in slide.pyramid)


# Which level is read --------------------------------------------------------------------------------------------------

LEVELS = [
    PixelGrid((4000, 4000), (0.25, 0.25)),
    PixelGrid((1600, 1600), (0.625, 0.625)),
    PixelGrid((1000, 1000), (1, 1)),
]


@pytest.mark.parametrize(
    ("wanted", "level"),
    [(0.1, 0), (0.25, 0), (0.5, 0), (0.618, 0), (0.619, 1), (0.625, 1), (0.99, 1), (0.9901, 2), (1.0, 2), (50.0, 2)],
)
def test_the_coarsest_level_that_is_fine_enough_is_read(wanted, level):
    """At least as fine as asked for, within one per cent; never by what memory is free."""
    assert best_level(LEVELS, (wanted, wanted)) == level


def test_both_axes_must_be_fine_enough():
    levels = [PixelGrid((4000, 4000), (0.25, 0.31)), PixelGrid((1000, 1000), (1.0, 1.24))]
    assert best_level(levels, (1.0, 1.0)) == 0
    assert best_level(levels, (1.24, 1.24)) == 1


def test_a_pixel_is_an_area():
    """Pixel (0, 0) of every level begins at the origin, whatever its size; centres are half a pixel further on."""
    picture = noise(400, 600)
    with made_slide(MadeReader([picture, area_level(picture, 160, 240)]), (0.25, 0.31)) as slide:
        for grid in (*slide.grids, *slide.pyramid_grids):
            assert grid.origin_um == (0.0, 0.0)
            assert grid.centre_of_first_um == (grid.spacing_um[0] / 2, grid.spacing_um[1] / 2)
            assert grid.region.height == pytest.approx(400 * 0.31)
            assert grid.region.width == pytest.approx(600 * 0.25)


@pytest.mark.parametrize("downsample", [2.0, 2.5, 3.2, 3.9998, 4.0])
def test_downsamples_are_the_ratios_of_the_sizes_never_rounded(tmp_path, downsample):
    path = write_tiff(tmp_path / "slide.tiff", picture=noise(120, 19999), downsamples=(downsample,))
    with open_slide(path) as slide:
        (height, width), level = slide.grids[1].shape, slide.metadata.levels[1]
        assert (level.downsample_y, level.downsample_x) == (120 / height, 19999 / width)
        assert slide.grids[1].spacing_um == (0.5 * 120 / height, 0.5 * 19999 / width)
