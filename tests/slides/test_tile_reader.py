from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tile_grid import TileGrid, build_tile_grid
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.slides.tissue import TissueMask, find_tissue


class CountingSlide:
    """Stands in for a slide: notes what is asked for, and can be slow."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.asked = 0
        self.seconds = seconds
        self._lock = threading.Lock()

    def read_grid(self, target: PixelGrid):
        with self._lock:
            self.asked += 1
        time.sleep(self.seconds)
        return np.full((*target.shape, 3), int(target.origin_um[1]) % 251, np.uint8)


def tiles_of(rows: int, columns: int) -> TileGrid:
    everywhere = TissueMask(np.ones((rows, columns), bool), PixelGrid((rows, columns), (8.0, 8.0)))
    return build_tile_grid(everywhere, tile_px=8, um_per_px=1.0)


def test_every_tile_once_in_the_order_asked_for():
    tiles = tiles_of(10, 10)
    order = np.random.default_rng(0).permutation(100)[:83]
    with TileReader(CountingSlide(), tiles, order=order, batch=16, threads=3) as reader:
        batches = list(reader)
    assert len(reader) == len(batches) == 6
    assert np.concatenate([batch.indices for batch in batches]).tolist() == order.tolist()
    assert [len(batch) for batch in batches] == [16] * 5 + [3]
    assert all(batch.readable.all() for batch in batches)
    assert batches[0].pixels[0, 0, 0, 0] == int(tiles.region(int(order[0])).x) % 251


def test_the_content_does_not_depend_on_the_threads(small_slide):
    with open_slide(small_slide) as slide:
        tiles = build_tile_grid(find_tissue(slide), tile_px=96, um_per_px=0.77)
        assert len(tiles) > 5
        pictures = []
        for threads, batch in ((1, 4), (4, 7)):
            with TileReader(slide, tiles, batch=batch, threads=threads) as reader:
                pictures.append(np.concatenate([part.pixels for part in reader]))
    assert (pictures[0] == pictures[1]).all()
    assert pictures[0].std() > 10


def test_reading_ahead_is_bounded_when_the_consumer_is_slow():
    slide = CountingSlide()
    with TileReader(slide, tiles_of(30, 30), batch=10, threads=2) as reader:
        iterator = iter(reader)
        next(iterator)
        time.sleep(0.3)
        assert slide.asked <= 30
        next(iterator)
        time.sleep(0.3)
        assert slide.asked <= 40


def test_close_stops_soon_and_leaves_no_threads():
    slide = CountingSlide(seconds=0.01)
    reader = TileReader(slide, tiles_of(50, 50), batch=50, threads=2)
    iterator = iter(reader)
    next(iterator)
    reader.close()
    asked = slide.asked
    assert asked < 300
    assert list(iterator) == []
    reader.close()
    time.sleep(0.1)
    assert slide.asked == asked
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tiles")]


def test_close_from_another_thread_ends_the_iteration():
    reader = TileReader(CountingSlide(seconds=0.005), tiles_of(60, 60), batch=20, threads=2)
    threading.Timer(0.2, reader.close).start()
    assert 0 < len(list(reader)) < len(reader)


def test_a_fault_of_the_program_is_not_taken_for_a_bad_tile():
    class Faulty(CountingSlide):
        def read_grid(self, target):
            raise ZeroDivisionError

    with TileReader(Faulty(), tiles_of(3, 3)) as reader, pytest.raises(ZeroDivisionError):
        list(reader)


def test_no_tiles_no_batches():
    with TileReader(CountingSlide(), tiles_of(4, 4), order=[]) as reader:
        assert list(reader) == []


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"threads": 0}])
def test_impossible_requests_are_refused(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        TileReader(CountingSlide(), tiles_of(4, 4), **wrong)
