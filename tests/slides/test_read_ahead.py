from __future__ import annotations

import threading
import time

import pytest

from napari_mmlnb.errors import SlideReadError
from napari_mmlnb.slides.decode_pool import DecodePool, Priority
from napari_mmlnb.slides.read_ahead import ReadAhead


class Fetched:
    """Notes what is fetched, and can hold it up or fail."""

    def __init__(self) -> None:
        self.chunks = []
        self.gate = threading.Event()
        self.gate.set()
        self.fault = None

    def __call__(self, chunk):
        self.chunks.append(chunk)
        self.gate.wait(20)
        if self.fault is not None:
            raise self.fault

    def settles(self, count: int) -> set:
        """What was fetched, once so many different ones were and no more come."""
        end = time.monotonic() + 10
        while len(set(self.chunks)) < count and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(0.05)
        return set(self.chunks)


@pytest.fixture
def pool():
    pool = DecodePool(threads=1)
    yield pool
    pool.close()


@pytest.fixture
def fetched():
    return Fetched()


@pytest.fixture
def ahead(pool, fetched):
    return ReadAhead(pool, fetched, [(10, 12), (5, 6), (1, 1)])


def ring(level: int, rows: range, columns: range, size: tuple[int, int]) -> set:
    """One chunk around a rectangle of chunks, inside the level."""
    around = {
        (level, row, column)
        for row in range(max(rows.start - 1, 0), min(rows.stop + 1, size[0]))
        for column in range(max(columns.start - 1, 0), min(columns.stop + 1, size[1]))
    }
    return around - {(level, row, column) for row in rows for column in columns}


def test_the_neighbours_of_a_view_are_fetched(pool, fetched, ahead):
    hold = threading.Event()
    pool.submit(Priority.VIEWPORT, hold.wait, 20)
    for row in range(3, 5):
        for column in range(4, 7):
            ahead.note((0, row, column))
    hold.set()
    expected = ring(0, range(3, 5), range(4, 7), (10, 12))
    assert len(expected) == 14
    assert fetched.settles(14) == expected
    assert len(fetched.chunks) == 14


def test_a_view_that_comes_in_bit_by_bit_is_one_view(pool, fetched, ahead):
    """The first neighbours are fetched before the last chunk of the view is there."""
    fetched.gate.clear()
    for column in (4, 5, 6):
        ahead.note((0, 3, column))
        end = time.monotonic() + 0.02
        while not fetched.chunks and time.monotonic() < end:
            time.sleep(0.001)
    fetched.gate.set()
    assert fetched.settles(12) >= ring(0, range(3, 4), range(4, 7), (10, 12))


@pytest.mark.parametrize(("chunk", "count"), [((0, 0, 0), 3), ((0, 9, 11), 3), ((1, 4, 3), 5), ((2, 0, 0), 0)])
def test_nothing_beyond_the_edge(fetched, ahead, chunk, count):
    ahead.note(chunk)
    size = [(10, 12), (5, 6), (1, 1)][chunk[0]]
    expected = ring(chunk[0], range(chunk[1], chunk[1] + 1), range(chunk[2], chunk[2] + 1), size)
    assert len(expected) == count
    assert fetched.settles(count) == expected


def test_the_viewport_goes_first(pool, fetched, ahead):
    fetched.gate.clear()
    ahead.note((0, 5, 5))
    while not fetched.chunks:
        time.sleep(0.001)
    seen = []
    wanted = [pool.submit(Priority.VIEWPORT, lambda: seen.append(len(fetched.chunks))) for _ in range(5)]
    fetched.gate.set()
    for one in wanted:
        one.result(20)
    assert seen == [1] * 5
    assert len(fetched.settles(8)) == 8


def test_it_gives_up_when_the_view_moves(fetched, ahead):
    fetched.gate.clear()
    ahead.note((0, 2, 2))
    while not fetched.chunks:
        time.sleep(0.001)
    time.sleep(0.1)
    ahead.note((0, 7, 9))
    fetched.gate.set()
    first, *rest = fetched.settles(9) and fetched.chunks
    assert first in ring(0, range(2, 3), range(2, 3), (10, 12))
    assert set(rest) == ring(0, range(7, 8), range(9, 10), (10, 12))


def test_another_level_is_another_view(pool, fetched, ahead):
    hold = threading.Event()
    pool.submit(Priority.VIEWPORT, hold.wait, 20)
    ahead.note((0, 2, 2))
    ahead.note((1, 2, 2))
    hold.set()
    assert fetched.settles(8) == ring(1, range(2, 3), range(2, 3), (5, 6))


def test_it_stops_at_close(pool, fetched, ahead):
    fetched.gate.clear()
    ahead.note((0, 5, 5))
    while not fetched.chunks:
        time.sleep(0.001)
    ahead.close()
    fetched.gate.set()
    pool.submit(Priority.AHEAD, int).result(20)
    ahead.note((0, 1, 1))
    pool.submit(Priority.AHEAD, int).result(20)
    assert len(fetched.chunks) == 1


def test_a_closed_pool_ends_it_quietly(pool, fetched, ahead):
    fetched.gate.clear()
    ahead.note((0, 5, 5))
    while not fetched.chunks:
        time.sleep(0.001)
    threading.Timer(0.05, fetched.gate.set).start()
    pool.close()
    ahead.note((0, 1, 1))
    assert len(fetched.chunks) == 1


def test_a_closed_slide_ends_it(pool, fetched, ahead):
    fetched.fault = SlideReadError("made", "The slide is closed.")
    ahead.note((0, 5, 5))
    fetched.settles(1)
    ahead.note((0, 1, 1))
    assert len(fetched.settles(1)) == 1


def test_a_fault_with_one_chunk_does_not_end_it(fetched, ahead):
    fetched.fault = ZeroDivisionError()
    ahead.note((0, 5, 5))
    assert len(fetched.settles(8)) == 8
    fetched.fault = None
    time.sleep(0.1)
    ahead.note((0, 1, 1))
    assert fetched.settles(16) >= ring(0, range(1, 2), range(1, 2), (10, 12))
