from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from napari_mmlnb.slides.tile_cache import TileCache


def pixels(count: int) -> np.ndarray:
    """An array of that many bytes."""
    return np.zeros((1, count // 3, 3), np.uint8)


def test_it_keeps_to_its_limit_and_drops_the_least_recently_used():
    cache = TileCache(limit_bytes=3 * 300)
    for key in "abc":
        cache.put(key, np.zeros((10, 10, 3), np.uint8))
    assert cache.get("a") is not None
    cache.put("d", np.zeros((10, 10, 3), np.uint8))
    assert cache.get("b") is None
    assert all(cache.get(key) is not None for key in "acd")
    cache.put("e", np.zeros((100, 100, 3), np.uint8))
    assert cache.get("e") is None
    cache.put("a", np.zeros((5, 10, 3), np.uint8))
    assert cache.used_bytes == 750


def test_a_look_whether_it_is_there_is_no_use():
    cache = TileCache(limit_bytes=600)
    cache.put("a", pixels(300))
    cache.put("b", pixels(300))
    assert "a" in cache
    cache.put("c", pixels(300))
    assert "a" not in cache
    assert "b" in cache


def test_what_is_kept_cannot_be_written_to():
    cache = TileCache()
    cache.put("a", pixels(300))
    with pytest.raises(ValueError, match="read-only"):
        cache.get("a")[0, 0, 0] = 1


def test_reserved_bytes_drive_out_what_is_kept_but_never_more_than_half():
    cache = TileCache(limit_bytes=1200)
    for key in "abcd":
        cache.put(key, pixels(300))
    assert cache.reserve(450)
    assert cache.used_bytes == 450 + 600
    assert [key in cache for key in "abcd"] == [False, False, True, True]
    assert not cache.reserve(151)
    assert cache.reserve(150)
    assert cache.used_bytes == 1200
    cache.put("e", pixels(603))  # more than is left for keeping
    assert "e" not in cache
    assert "c" in cache
    cache.release(600)
    cache.put("e", pixels(603))
    assert "e" in cache
    assert cache.used_bytes == 300 + 603


def test_clearing_forgets_what_is_kept_but_not_what_is_reserved():
    cache = TileCache(limit_bytes=1200)
    cache.put("a", pixels(300))
    assert cache.reserve(600)
    cache.clear()
    assert "a" not in cache
    assert cache.used_bytes == 600
    assert not cache.reserve(3)


class Books(RuleBasedStateMachine):
    """Whatever is done in whatever order, the books agree with the arrays."""

    LIMIT = 1000

    def __init__(self) -> None:
        super().__init__()
        self.cache = TileCache(self.LIMIT)
        self.reserved: list[int] = []
        self.newest: tuple[int, int] | None = None

    @rule(key=st.integers(0, 9), size=st.integers(1, 400))
    def put(self, key, size):
        self.cache.put(key, pixels(3 * size))
        self.newest = (key, 3 * size)

    @rule(key=st.integers(0, 9))
    def get(self, key):
        self.cache.get(key)

    @rule(count=st.integers(1, 600))
    def reserve(self, count):
        fits = sum(self.reserved) + count <= self.LIMIT // 2
        assert self.cache.reserve(count) == fits
        if fits:
            self.reserved.append(count)
            self.newest = None

    @rule()
    def release(self):
        if self.reserved:
            self.cache.release(self.reserved.pop())

    @rule()
    def clear(self):
        self.cache.clear()
        self.newest = None

    @invariant()
    def sums_are_right(self):
        kept = sum(array.nbytes for key in range(10) if (array := self.cache.get(key)) is not None)
        assert self.cache.used_bytes == kept + sum(self.reserved) <= self.LIMIT

    @invariant()
    def the_newest_is_kept_where_it_fits(self):
        if self.newest is not None and self.newest[1] <= self.LIMIT - sum(self.reserved):
            assert self.newest[0] in self.cache
        self.newest = None


TestBooks = Books.TestCase


def test_the_books_agree_after_many_threads():
    cache = TileCache(limit_bytes=50_000)
    together = threading.Barrier(4)

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        together.wait()
        for _ in range(500):
            key = int(rng.integers(40))
            if cache.get(key) is None:
                cache.put(key, pixels(3 * int(rng.integers(1, 1500))))
            if cache.reserve(600):
                cache.release(600)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    kept = sum(array.nbytes for key in range(40) if (array := cache.get(key)) is not None)
    assert 0 < cache.used_bytes == kept <= 50_000
