from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.errors import SlideReadError, TileReadError
from napari_mmlnb.slides.decoded_tiles import DecodedTiles, block_mean, damage_pattern
from napari_mmlnb.slides.tile_cache import TileCache
from tests.slides.made import MadeReader, noise


def until(holds, seconds: float = 20.0) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def naive(picture, y: int, x: int, height: int, width: int):
    """The window pixel by pixel: the picture's, or white."""
    rows, columns = np.arange(y, y + height), np.arange(x, x + width)
    inside = np.outer((rows >= 0) & (rows < picture.shape[0]), (columns >= 0) & (columns < picture.shape[1]))
    clipped = picture[np.ix_(rows.clip(0, picture.shape[0] - 1), columns.clip(0, picture.shape[1] - 1))]
    return np.where(inside[..., None], clipped, 255)


def test_threads_that_ask_for_one_tile_decode_it_once():
    reader = MadeReader([noise(64, 64)])
    tiles = DecodedTiles(reader, TileCache())
    reader.gate.clear()
    with ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(tiles.tile, 0, 1, 2) for _ in range(6)]
        until(lambda: reader.waiting)
        time.sleep(0.1)
        assert len(reader.reads) == 1
        reader.gate.set()
        pictures = [one.result(20) for one in asked]
    assert all((picture == noise(64, 64)[16:32, 32:48]).all() for picture in pictures)
    assert reader.reads == [(0, 1, 2, 1)]


def test_many_threads_over_many_tiles_decode_each_once():
    reader = MadeReader([noise(160, 160)])
    tiles = DecodedTiles(reader, TileCache())
    together = threading.Barrier(8)

    def look(seed: int) -> None:
        together.wait()
        for index in np.random.default_rng(seed).permutation(100).tolist():
            tiles.tile(0, index // 10, index % 10)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(look, range(8)))
    assert len(reader.reads) == len(set(reader.reads)) == 100


def test_a_tile_that_is_finished_between_two_looks_is_not_decoded_again():
    """One thread looks, finds nothing, and is held up until another one has decoded the tile."""
    found_nothing, finished = threading.Event(), threading.Event()

    class Cache(TileCache):
        def get(self, key):
            found = super().get(key)
            if threading.current_thread().name == "late" and not found_nothing.is_set():
                found_nothing.set()
                finished.wait(20)
            return found

    reader = MadeReader([noise(64, 64)])
    tiles = DecodedTiles(reader, Cache())
    late = threading.Thread(target=tiles.tile, args=(0, 0, 0), name="late")
    late.start()
    assert found_nothing.wait(20)
    tiles.tile(0, 0, 0)
    finished.set()
    late.join(20)
    assert len(reader.reads) == 1


@pytest.mark.parametrize("error", [TileReadError("made", "Bad."), ZeroDivisionError()])
def test_a_failure_reaches_all_who_wait_and_is_not_kept(error):
    reader = MadeReader([noise(64, 64)])
    tiles = DecodedTiles(reader, TileCache())
    reader.fault = error
    reader.gate.clear()
    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(tiles.tile, 0, 0, 0) for _ in range(3)]
        until(lambda: reader.waiting)
        time.sleep(0.1)
        reader.gate.set()
        assert all(isinstance(one.exception(20), type(error)) for one in asked)
    assert tiles.cache.used_bytes == 0
    reader.fault = None
    assert (tiles.tile(0, 0, 0) == noise(64, 64)[:16, :16]).all()


def test_what_does_not_fit_the_cache_is_decoded_again_each_time():
    reader = MadeReader([noise(64, 64)])
    tiles = DecodedTiles(reader, TileCache(limit_bytes=10))
    for _ in range(3):
        assert (tiles.tile(0, 3, 3) == noise(64, 64)[48:, 48:]).all()
    assert len(reader.reads) == 3


def test_a_tile_asked_for_once_only_drives_nothing_out():
    reader = MadeReader([noise(64, 64)])
    tiles = DecodedTiles(reader, TileCache())
    tiles.tile(0, 0, 0, keep=False)
    assert tiles.cache.used_bytes == 0
    tiles.tile(0, 0, 0)
    tiles.tile(0, 0, 0, keep=False)
    assert len(reader.reads) == 2
    assert tiles.cache.used_bytes == 16 * 16 * 3


def test_a_tile_is_white_past_the_edge():
    tiles = DecodedTiles(MadeReader([np.zeros((20, 27, 3), np.uint8)], reductions=(1, 2)), TileCache())
    corner = tiles.tile(0, 1, 1)
    assert (corner[:4, :11] == 0).all()
    assert (corner[4:] == 255).all()
    assert (corner[:, 11:] == 255).all()
    half = tiles.tile(0, 1, 1, 2)
    assert half.shape == (8, 8, 3)
    assert (half[:2, :5] == 0).all()
    assert set(np.unique(half[:2, 5])) <= {127, 128}  # half of it lies on the slide
    assert (half[2:] == 255).all()
    assert (half[:, 6:] == 255).all()


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    side=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    y=st.integers(-60, 130),
    x=st.integers(-60, 130),
    h=st.integers(0, 120),
    w=st.integers(0, 120),
)
def test_a_window_is_the_levels_pixels_and_white_outside(height, width, side, y, x, h, w):
    picture = noise(height, width)
    reader = MadeReader([picture], [side])
    tiles = DecodedTiles(reader, TileCache())
    window = tiles.window(0, y, x, h, w)
    canvas = np.full((h + 2, w + 3, 3), 9, np.uint8)
    given_out = canvas[1:-1, 1:-2]
    assert np.shares_memory(tiles.window(0, y, x, h, w, out=given_out), canvas) == (min(h, w) > 0)
    assert (given_out == window).all()
    assert (canvas[0] == 9).all()
    assert (canvas[:, -2:] == 9).all()
    assert window.shape == (h, w, 3)
    assert (window == naive(picture, y, x, h, w)).all()
    rows = {y // side[0] for y in range(max(y, 0), min(y + h, height))}
    columns = {x // side[1] for x in range(max(x, 0), min(x + w, width))}
    assert sorted(reader.reads) == sorted((0, row, column, 1) for row in rows for column in columns)


@given(
    height=st.integers(1, 90), width=st.integers(1, 90), y=st.integers(-30, 60), x=st.integers(-30, 60),
    reduce=st.sampled_from([2, 4]),
)  # fmt: skip
def test_a_reduced_window_holds_the_means(height, width, y, x, reduce):
    picture = np.full((-(-height // 16) * 16, -(-width // 16) * 16, 3), 255, np.uint8)  # white past the edge
    picture[:height, :width] = noise(height, width)
    tiles = DecodedTiles(MadeReader([noise(height, width)], reductions=(1, 2, 4)), TileCache())
    blocks = picture.reshape(len(picture) // reduce, reduce, -1, reduce, 3).mean(axis=(1, 3))
    small = blocks[: -(-height // reduce), : -(-width // reduce)]
    assert np.abs(tiles.window(0, y, x, 37, 41, reduce) - naive(small, y, x, 37, 41)).max() <= 0.5


def test_where_nothing_lies_nothing_is_decoded():
    reader = MadeReader([noise(20, 20)])
    tiles = DecodedTiles(reader, TileCache())
    for y, x in ((21, 0), (0, 25), (-40, 3), (3, -10), (5000, 5000)):
        assert (tiles.window(0, y, x, 10, 10) == 255).all()
    assert reader.reads == []


def test_damage_raises_unless_somebody_asks_to_be_told():
    picture = noise(64, 64)
    tiles = DecodedTiles(MadeReader([picture], damaged=[(0, 1, 2)]), TileCache())
    with pytest.raises(TileReadError):
        tiles.window(0, 0, 0, 64, 64)
    told = []
    out = tiles.window(0, 0, 0, 64, 64, on_damage=lambda *tile: told.append(tile))
    assert told == [(0, 1, 2)]
    rest = np.ones((64, 64), bool)
    rest[16:32, 32:48] = False
    assert (out[rest] == picture[rest]).all()
    assert (out[16:32, 32:48] == damage_pattern(16, 16)).all()
    assert (tiles.window(0, 0, 0, 16, 64) == picture[:16]).all()


def test_a_closed_slide_is_no_damage():
    reader = MadeReader([noise(64, 64)])
    tiles = DecodedTiles(reader, TileCache())
    told = []
    reader.close()
    with pytest.raises(SlideReadError, match="closed"):
        tiles.window(0, 0, 0, 64, 64, on_damage=lambda *tile: told.append(tile))
    assert told == []


def test_the_pattern_is_neither_black_nor_white_nor_even():
    pattern = damage_pattern(240, 100)
    assert pattern.shape == (240, 100, 3)
    assert pattern.dtype == np.uint8
    assert pattern.min() > 40
    assert pattern.max() < 200
    # Every window as large as a thumbnail's few pixels shows both greys.
    assert all(len(np.unique(pattern[y : y + 36, :36])) == 2 for y in range(0, 200, 7))


@given(rows=st.integers(1, 9), columns=st.integers(1, 9), by=st.tuples(st.integers(1, 8), st.integers(1, 8)))
def test_block_means_are_means(rows, columns, by):
    picture = noise(rows * by[0], columns * by[1])
    mean = picture.reshape(rows, by[0], columns, by[1], 3).mean(axis=(1, 3))
    out = block_mean(picture, by)
    assert out.shape == (rows, columns, 3)
    assert np.abs(out - mean).max() <= 0.5
