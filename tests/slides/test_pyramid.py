from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.errors import SlideReadError
from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.backends.base import LevelShape
from napari_mmlnb.slides.decoded_tiles import damage_pattern
from napari_mmlnb.slides.pyramid import Pyramid
from napari_mmlnb.slides.pyramid_levels import COARSEST_PX, pyramid_levels
from napari_mmlnb.slides.slide import open_slide
from tests.slides.made import MadeReader, made_slide, noise


def halved(picture):
    """The mean of 2 x 2 pixels, a last odd one standing for the pair."""
    even = np.pad(picture, ((0, picture.shape[0] % 2), (0, picture.shape[1] % 2), (0, 0)), mode="edge")
    return even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2, 3).mean(axis=(1, 3))


def test_arrays_show_the_files_pixels(make_tiff):
    picture = np.random.default_rng(2).integers(0, 256, (1100, 1300, 3), dtype=np.uint8)
    with open_slide(make_tiff(picture=picture, downsamples=(2.5,))) as slide:
        array = slide.pyramid[0]
        assert array.shape == (1100, 1300, 3)
        assert array.dtype == np.uint8
        assert (array[:] == picture).all()
        assert (array[500:777, 1000:] == picture[500:777, 1000:]).all()
        assert (slide.pyramid[1][:] == slide.read(1, 0, 0, 440, 520)).all()


def test_arrays_are_read_only(make_tiff):
    with open_slide(make_tiff()) as slide, pytest.raises(Exception, match="read"):
        slide.pyramid[0][:5, :5] = 0


def test_nothing_is_read_before_it_is_asked_for_and_nothing_twice():
    made = MadeReader([noise(1500, 1500)], [(512, 512)])
    slide = made_slide(made)
    array = slide.pyramid[0]
    assert made.reads == []
    assert (array[600:700, 600:700] == noise(1500, 1500)[600:700, 600:700]).all()
    assert made.reads[0] == (0, 1, 1, 1)
    array[610:720, 600:700]
    array[100:1400, 100:1400]
    assert sorted(made.reads) == [(0, row, column, 1) for row in range(3) for column in range(3)]
    assert slide.cache.used_bytes == 9 * 512 * 512 * 3
    slide.close()
    assert slide.cache.used_bytes == 0


def test_a_chunk_is_decoded_for_the_viewer_alone_in_whole_stored_tiles():
    """What is fetched ahead comes after; the chunk itself asks for its own stored tiles only, each once."""
    made = MadeReader([noise(1000, 1100)], [(240, 240)])
    with made_slide(made) as slide:
        array = slide.pyramid[0]
        assert array.chunks == (480, 480, 3)
        array[500:700, 500:700]
        assert sorted(made.reads[:4]) == [(0, row, column, 1) for row in (2, 3) for column in (2, 3)]
    assert len(made.reads) == len(set(made.reads))


def test_neighbours_are_there_before_they_are_asked_for():
    made = MadeReader([noise(512 * 5, 512 * 5)], [(512, 512)])
    with made_slide(made) as slide:
        slide.pyramid[0][1030:1500, 1030:1500]
        end = time.monotonic() + 20
        while len(made.reads) < 9 and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.1)
        assert sorted(read[1:3] for read in made.reads) == [(row, column) for row in (1, 2, 3) for column in (1, 2, 3)]
        slide.pyramid[0][600:2000, 600:2000]
        assert len({read for read in made.reads if max(abs(read[1] - 2), abs(read[2] - 2)) <= 1}) == 9
        assert len(made.reads) == len(set(made.reads))


@pytest.mark.parametrize("tile", [(512, 512), (240, 240), (256, 128), (1024, 512), (341, 341)])
def test_virtual_levels_are_means_of_four_pixels(tile):
    picture = noise(2101, 1025, 3)
    with made_slide(MadeReader([picture], [tile])) as slide:
        assert [array.shape for array in slide.pyramid] == [(2101, 1025, 3), (1051, 513, 3)]
        # The last odd row and column stand for themselves: no white from beyond the edge.
        assert np.abs(slide.pyramid[1][:] - halved(picture)).max() <= 0.5


def test_virtual_levels_of_virtual_levels():
    picture = noise(4103, 900, 4)
    with made_slide(MadeReader([picture], [(400, 400)])) as slide:
        assert [array.shape[:2] for array in slide.pyramid] == [(4103, 900), (2052, 450), (1026, 225)]
        half = slide.pyramid[1][:]
        assert np.abs(half - halved(picture)).max() <= 0.5
        assert np.abs(slide.pyramid[2][:] - halved(half)).max() <= 0.5


@given(
    size=st.tuples(st.integers(1, 90_000), st.integers(1, 90_000)),
    downsamples=st.lists(st.sampled_from([2.0, 2.5, 3.2, 3.9998, 4.0, 8.0, 16.0]), max_size=3),
    mpp=st.tuples(st.floats(0.1, 1.0), st.floats(0.1, 1.0)),
    tile=st.tuples(st.integers(1, 2048), st.integers(1, 2048)),
)
def test_no_step_is_large_and_the_coarsest_level_is_small(size, downsamples, mpp, tile):
    shapes, factor = [size], 1.0
    for downsample in downsamples:
        factor *= downsample
        shapes.append((max(1, round(size[0] / factor)), max(1, round(size[1] / factor))))
    levels = [LevelShape(h, w, size[0] / h, size[1] / w, *tile) for h, w in shapes]
    grids = [PixelGrid((v.height, v.width), (mpp[0] * v.downsample_y, mpp[1] * v.downsample_x)) for v in levels]
    made = pyramid_levels(levels, grids)
    assert [level.grid for level in made if level.reduce == 1] == grids
    assert max(made[-1].grid.shape) < COARSEST_PX
    for finer, coarser in pairwise(made):
        step = max(b / a for a, b in zip(finer.grid.spacing_um, coarser.grid.spacing_um, strict=True))
        assert step <= 3.0
        if coarser.reduce > 1:
            assert coarser.source == finer.source
            assert coarser.reduce == 2 * finer.reduce
            assert step == 2.0
    for level in made:
        source = grids[level.source]
        # It covers what its source covers, and not a whole pixel more.
        for axis in (0, 1):
            over = level.grid.shape[axis] * level.grid.spacing_um[axis] - source.shape[axis] * source.spacing_um[axis]
            assert -1e-6 * source.spacing_um[axis] <= over < level.grid.spacing_um[axis] * (1 + 1e-6)
        assert all(side % 2 == 0 for side in level.chunk)
        sides = (levels[level.source].tile_height, levels[level.source].tile_width)
        assert all(side % tile_side == 0 for side, tile_side in zip(level.chunk, sides, strict=True))


def test_levels_between_those_of_the_file_are_made_of_the_finer_one():
    picture = noise(1600, 1200)
    coarse = np.zeros((400, 300, 3), np.uint8)
    with made_slide(MadeReader([picture, coarse], [(160, 160)]), mpp=(0.25, 0.5)) as slide:
        assert [grid.shape for grid in slide.pyramid_grids] == [(1600, 1200), (800, 600), (400, 300)]
        assert slide.pyramid_grids[1].spacing_um == (1.0, 0.5)
        assert np.abs(slide.pyramid[1][:] - halved(picture)).max() <= 0.5
        assert (slide.pyramid[2][:] == 0).all()


def test_where_the_decoder_reduces_no_finer_pixel_is_decoded():
    picture = noise(1600, 1440)
    made = MadeReader([picture, noise(200, 180)], [(160, 160)], reductions=(1, 2, 4))
    with made_slide(made) as slide:
        assert [array.shape[:2] for array in slide.pyramid] == [(1600, 1440), (800, 720), (400, 360), (200, 180)]
        half = halved(picture)
        assert np.abs(slide.pyramid[1][:] - half).max() <= 0.5
        assert {read[3] for read in made.reads} == {2}
        assert np.abs(slide.pyramid[2][:] - halved(half)).max() <= 0.5
        assert {read[3] for read in made.reads} == {2, 4}


def test_what_a_file_holds_past_its_edge_is_not_mixed_into_the_last_pixels():
    """Writers fill the last tiles up with black, or anything; a decoder that reduces would smear it over the edge."""
    picture = np.full((1601, 1603, 3), 230, np.uint8)
    made = MadeReader([picture, picture[:200, :200]], [(160, 160)], reductions=(1, 2, 4))
    with made_slide(made) as slide:
        for level in (1, 2):
            assert slide.pyramid[level][:].min() == 230


def test_a_damaged_tile_is_drawn_as_a_pattern_and_noted_and_the_rest_is_right():
    picture = noise(1400, 1300)
    made = MadeReader([picture], [(200, 200)], damaged=[(0, 3, 2)])
    with made_slide(made) as slide:
        shown = slide.pyramid[0][:]
        damaged = np.zeros((1400, 1300), bool)
        damaged[600:800, 400:600] = True
        assert (shown[damaged] == damage_pattern(200, 200).reshape(-1, 3)).all()
        assert (shown[~damaged] == picture[~damaged]).all()
        assert [(tile.level, tile.row, tile.column) for tile in slide.damage.tiles] == [(0, 3, 2)]
        assert len(slide.damage) == 1
        slide.pyramid[0][500:900, 300:700]
        assert len(slide.damage) == 1
        # Neither black nor white: a person sees that something is missing.
        assert shown[damaged].min() > 40
        assert shown[damaged].max() < 200


@pytest.mark.parametrize("reductions", [(1,), (1, 2)])
def test_damage_is_seen_in_virtual_levels_too(reductions):
    picture = np.full((2400, 800, 3), 230, np.uint8)
    made = MadeReader([picture], [(200, 200)], damaged=[(0, 3, 2)], reductions=reductions)
    with made_slide(made) as slide:
        shown = slide.pyramid[1][:]
        lost = shown[300:400, 200:300]
        assert lost.min() > 40
        assert lost.max() < 200
        assert lost.std() > 10
        shown[300:400, 200:300] = 230
        assert (shown == 230).all()
        assert [(tile.level, tile.row, tile.column) for tile in slide.damage.tiles] == [(0, 3, 2)]


def test_damage_that_is_mended_is_drawn_right():
    """A failure is not kept: a share that was away for a moment comes back."""
    picture = noise(4100, 600)
    made = MadeReader([picture], [(200, 200)], damaged=[(0, 12, 1)])
    with made_slide(made) as slide:
        assert (slide.pyramid[0][2400:2600, 200:400] == damage_pattern(200, 200)).all()
        striped = [slide.pyramid[level][:] for level in (1, 2)]
        made.damaged.clear()
        assert (slide.pyramid[0][:] == picture).all()
        half = halved(picture)
        assert np.abs(striped[0][1200:1300, 100:200] - half[1200:1300, 100:200]).max() > 50
        assert np.abs(slide.pyramid[1][:] - half).max() <= 0.5
        assert np.abs(slide.pyramid[2][:] - halved(half)).max() <= 1
        assert np.abs(striped[1][600:650, 50:100] - halved(half)[600:650, 50:100]).max() > 50


def test_another_colour_changes_what_is_shown_and_not_what_is_analysed():
    picture = noise(900, 2100)
    with made_slide(MadeReader([picture], [(300, 300)])) as slide:
        pyramid = Pyramid(slide.tiles, slide.grids, slide.pool, slide.damage, colour=lambda rgb: 255 - rgb)
        assert (slide.pyramid[0][:] == picture).all()
        assert (pyramid.arrays[0][:] == 255 - picture).all()
        assert (slide.pyramid[0][:] == picture).all()
        assert np.abs(pyramid.arrays[1][:] - halved(255 - picture)).max() <= 0.5
        assert np.abs(slide.pyramid[1][:] - halved(picture)).max() <= 0.5
        assert (slide.read(0, 0, 0, 900, 2100) == picture).all()
        pyramid.close()


def test_the_cache_limit_holds_for_what_the_viewer_shows():
    picture = noise(2100, 2100)
    limit = 40 * 100 * 100 * 3
    with made_slide(MadeReader([picture], [(100, 100)]), cache_bytes=limit) as slide:
        for _ in range(2):
            assert (slide.pyramid[0][:] == picture).all()
            assert slide.cache.used_bytes <= limit
        assert np.abs(slide.pyramid[1][:] - halved(picture)).max() <= 0.5
        assert slide.cache.used_bytes <= limit


def test_many_threads_see_the_same_pixels():
    picture = noise(2500, 1500)
    made = MadeReader([picture], [(250, 250)])
    with made_slide(made) as slide, ThreadPoolExecutor(4) as threads:
        corners = [(y, x) for y in range(0, 2300, 311) for x in range(0, 1300, 277)]
        parts = threads.map(lambda corner: slide.pyramid[0][corner[0] : corner[0] + 200, corner[1] :], corners)
        for (y, x), part in zip(corners, parts, strict=True):
            assert (part == picture[y : y + 200, x:]).all()
        assert len(made.reads) == len(set(made.reads)) == 60


def test_a_failure_reaches_the_reader():
    made = MadeReader([noise(600, 600)], [(200, 200)])
    with made_slide(made) as slide:
        array = slide.pyramid[0]
        made.fault = ZeroDivisionError()
        with pytest.raises(ZeroDivisionError):
            array[:10, :10]
        made.fault = None
        assert (array[:10, :10] == noise(600, 600)[:10, :10]).all()


@given(
    level=st.integers(0, 3), corner=st.tuples(st.integers(0, 1099), st.integers(0, 1299)),
    size=st.tuples(st.integers(1, 900), st.integers(1, 900)), coloured=st.booleans(),
)  # fmt: skip
def test_a_rectangle_is_that_of_the_array(level, corner, size, coloured):
    pyramid = several_levels()[coloured]
    height, width = pyramid.levels[level].grid.shape
    y, x = min(corner[0], height - 1), min(corner[1], width - 1)
    h, w = min(size[0], height - y), min(size[1], width - x)
    assert (pyramid.read(level, y, x, h, w) == pyramid.arrays[level][y : y + h, x : x + w]).all()


@cache
def several_levels() -> tuple[Pyramid, Pyramid]:
    """As stored and in other colours; levels of the file, of the decoder, and computed ones."""
    made = MadeReader([noise(1100, 1300), noise(138, 162)], [(100, 120), (70, 60)], reductions=(1, 2))
    slide = made_slide(made, cache_bytes=2_000_000)
    assert [array.shape[:2] for array in slide.pyramid] == [(1100, 1300), (550, 650), (275, 325), (138, 162)]
    colours = (None, lambda rgb: 255 - rgb)
    pyramids = [Pyramid(slide.tiles, slide.grids, slide.pool, slide.damage, colour) for colour in colours]
    return pyramids[0], pyramids[1]


def test_a_rectangle_is_decoded_once_and_nothing_beyond_its_tiles():
    made = MadeReader([noise(900, 900)], [(100, 100)])
    with made_slide(made) as slide:
        pyramid = slide.levels_as()
        assert pyramid.step_px(0) == (100, 100)
        assert (pyramid.read(0, 250, 310, 200, 80) == noise(900, 900)[250:450, 310:390]).all()
        assert sorted(made.reads[:3]) == [(0, row, 3, 1) for row in (2, 3, 4)]
        pyramid.read(0, 250, 310, 200, 80)
        assert len(made.reads) == len(set(made.reads))


@pytest.mark.parametrize("arrays", [True, False])
def test_a_slide_closed_while_it_is_shown(arrays):
    made = MadeReader([noise(4000, 1000)], [(250, 250)], seconds=0.001)
    for round_ in range(10):
        slide = made_slide(made)
        pyramid = slide.levels_as()
        shown = (lambda p=pyramid: p.arrays[0][:1500]) if arrays else (lambda p=pyramid: p.read(0, 0, 0, 1500, 1000))
        closing = threading.Timer(0.002 * round_, slide.close)
        closing.start()
        try:
            while True:
                assert (shown() == noise(4000, 1000)[:1500]).all()
        except SlideReadError as error:
            assert "closed" in str(error)
        closing.join(20)
        assert not closing.is_alive()
        assert len(slide.damage) == 0
        made = MadeReader([noise(4000, 1000)], [(250, 250)], seconds=0.001)
