"""Chunks around those that a person looks at, fetched while nobody waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from napari_mmlnb.errors import SlideReadError
from napari_mmlnb.slides.decode_pool import DecodePool, Priority

Chunk = tuple[int, int, int]

# Chunks asked for within this time belong to one view.
_VIEW_S = 0.05


class ReadAhead:
    """Fetches the ring of chunks around the view, least urgent of all, and gives up when the view moves on.

    Parameters
    ----------
    pool : DecodePool
        Threads to fetch in.
    fetch : callable
        Makes a chunk and leaves it in the cache.
    counts : sequence of (int, int)
        Rows and columns of chunks of each level.
    """

    def __init__(self, pool: DecodePool, fetch: Callable[[Chunk], None], counts: Sequence[tuple[int, int]]) -> None:
        self._pool = pool
        self._fetch = fetch
        self._counts = counts
        self._lock = threading.Lock()
        self._view: set[Chunk] = set()
        self._last = 0.0
        self._moved = False
        self._waiting: list[Chunk] = []
        self._scheduled = False
        self._closed = False

    def note(self, chunk: Chunk) -> None:
        """Somebody asked for this chunk."""
        now = time.monotonic()
        with self._lock:
            if now - self._last > _VIEW_S or any(seen[0] != chunk[0] for seen in self._view):
                self._view = set()
            self._last = now
            self._view.add(chunk)
            self._moved = True
            self._waiting = []
            if self._scheduled or self._closed:
                return
            self._scheduled = True
        self._schedule()

    def close(self) -> None:
        """Fetch nothing more."""
        with self._lock:
            self._closed = True
            self._waiting = []

    def _schedule(self) -> None:
        try:
            self._pool.submit(Priority.AHEAD, self._one)
        except RuntimeError:  # the slide has been closed meanwhile
            self.close()

    def _one(self) -> None:
        """Fetch one chunk, so that whatever is more urgent comes in between, and come back for the next."""
        with self._lock:
            if self._moved:
                self._waiting = list(self._ring())[::-1]
                self._moved = False
            chunk = self._waiting.pop() if self._waiting and not self._closed else None
            if chunk is None:
                self._scheduled = False
                return
        try:
            self._fetch(chunk)
        except SlideReadError:  # the slide has been closed meanwhile
            self.close()
        finally:  # any other fault meets whoever looks there; it must not end all reading ahead
            self._schedule()

    def _ring(self) -> Iterator[Chunk]:
        """One chunk further on every side of the view, inside the level."""
        level = next(iter(self._view))[0]
        rows, columns = ([chunk[axis] for chunk in self._view] for axis in (1, 2))
        for row in range(max(0, min(rows) - 1), min(self._counts[level][0], max(rows) + 2)):
            for column in range(max(0, min(columns) - 1), min(self._counts[level][1], max(columns) + 2)):
                if (level, row, column) not in self._view:
                    yield level, row, column
