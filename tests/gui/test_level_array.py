"""A level as napari reads it: what numpy would give, and nothing that would fill the memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("napari")

from napari_mmlnb.errors import RequestError, SlideReadError
from napari_mmlnb.viewer import level_array
from napari_mmlnb.viewer.level_array import LevelArray
from tests.slides.made import MadeReader, made_slide, noise

HEIGHT, WIDTH = 150, 210
PICTURE = noise(HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def level():
    with made_slide(MadeReader([PICTURE], [(32, 48)])) as slide:
        yield LevelArray(slide, slide.levels_as(), 0)


def bounds(length: int):
    return st.none() | st.integers(-length - 5, length + 5)


def entries(length: int):
    step = st.none() | st.sampled_from([1, 2, 7, -1, -3])
    return st.integers(-length, length - 1) | st.builds(slice, bounds(length), bounds(length), step)


KEYS = st.one_of(
    entries(HEIGHT),
    st.tuples(entries(HEIGHT), entries(WIDTH)),
    st.tuples(entries(HEIGHT), entries(WIDTH), st.integers(-3, 2) | st.just(slice(None))),
    st.just(...),
    st.tuples(st.just(...), st.integers(0, 2)),
    st.tuples(entries(HEIGHT), st.just(...)),
)


@given(KEYS)
def test_every_key_gives_what_numpy_gives(level, key):
    expected = PICTURE[key]
    got = level[key]
    assert got.shape == expected.shape
    assert got.dtype == np.uint8
    assert (got == expected).all()


def test_it_is_an_array_to_whoever_asks_for_one(level):
    assert (np.asarray(level) == PICTURE).all()
    assert level.shape == PICTURE.shape
    assert (level.ndim, level.dtype, level.size, len(level)) == (3, np.uint8, PICTURE.size, HEIGHT)


@pytest.mark.parametrize("key", [HEIGHT, -HEIGHT - 1, (0, WIDTH), (0, 0, 0, 0), 1.5])
def test_a_wrong_key_is_refused_as_numpy_does(level, key):
    with pytest.raises((IndexError, TypeError)):
        level[key]


@pytest.mark.parametrize(("tile", "step"), [(256, 256), (240, 240), (1024, 512), (4096, 512), (64, 128), (100, 200)])
def test_reads_are_aligned_to_tiles_of_a_useful_size(tile, step):
    picture = noise(2 * 128, 3 * 128)
    with made_slide(MadeReader([picture], [(tile, tile)])) as slide:
        assert LevelArray(slide, slide.levels_as(), 0).chunks == (step, step, 3)


def test_a_read_that_would_fill_the_memory_is_refused_and_told(monkeypatch):
    told = []
    monkeypatch.setattr(level_array, "LARGEST_READ_BYTES", 100 * 100 * 3)
    with made_slide(reader := MadeReader([PICTURE], [(32, 48)])) as slide:
        level = LevelArray(slide, slide.levels_as(), 0, told.append)
        assert (level[20:120, 30:130] == PICTURE[20:120, 30:130]).all()
        assert told == []
        reader.reads.clear()
        assert level[:, :].shape == (1, 1, 3)
        assert told == [level]
        with pytest.raises(RequestError, match="too large"):
            np.asarray(level)
        assert reader.reads == []


def test_a_level_of_a_closed_slide_says_so():
    slide = made_slide(MadeReader([PICTURE], [(32, 48)]))
    level = LevelArray(slide, slide.levels_as(), 0)
    slide.close()
    with pytest.raises(SlideReadError, match="closed"):
        level[:10, :10]


def test_only_the_tiles_that_are_asked_for_are_decoded_for_whoever_waits():
    with made_slide(reader := MadeReader([noise(1000, 1000)], [(50, 50)])) as slide:
        level = LevelArray(slide, slide.levels_as(), 0)
        reader.gate.clear()
        slide.pool.submit(3, lambda: None)  # the threads are up
        reader.gate.set()
        assert (level[100:149, 200:300] == reader.pictures[0][100:149, 200:300]).all()
        assert {read[:3] for read in reader.reads[:2]} == {(0, 2, 4), (0, 2, 5)}
