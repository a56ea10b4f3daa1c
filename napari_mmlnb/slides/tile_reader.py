"""Tiles of a slide in batches, read ahead by threads of its own."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import numpy.typing as npt

from napari_mmlnb.errors import TileReadError
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.slide import Slide
from napari_mmlnb.slides.tile_grid import TileGrid

_BATCHES_AHEAD = 2


@dataclass(frozen=True)
class TileBatch:
    """Some tiles.

    Parameters
    ----------
    indices : ndarray
        (b,) int64, into `TileGrid.cells`.
    pixels : ndarray
        (b, px, px, 3) uint8; zeros where not readable.
    readable : ndarray
        (b,) bool; a tile that is not must not be encoded, but counted.
    """

    indices: npt.NDArray[np.int64]
    pixels: RGB
    readable: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.indices)


class TileReader:
    """Iterates over the tiles of a grid once, batch by batch, in order.

    At most two batches are read ahead of the one in use, so memory stays bounded when the consumer is slow. What is
    read does not depend on the number of threads.

    Parameters
    ----------
    slide : Slide
        Where the pixels come from; it must stay open.
    tile_grid : TileGrid
        Which tiles.
    order : sequence of int, optional
        Indices into `tile_grid.cells`, in the order wanted; all of them row by row by default.
    batch : int
        Tiles a batch; the last one may be smaller.
    threads : int
        Threads that read.
    """

    def __init__(
        self,
        slide: Slide,
        tile_grid: TileGrid,
        *,
        order: Sequence[int] | npt.NDArray[np.integer] | None = None,
        batch: int = 32,
        threads: int = 2,
    ) -> None:
        if batch < 1 or threads < 1:
            raise ValueError(f"batch and threads must be at least 1, not {batch} and {threads}")
        self._slide = slide
        self._tiles = tile_grid
        self._order = np.arange(len(tile_grid)) if order is None else np.asarray(order, dtype=np.int64).reshape(-1)
        self._batch = batch
        self._threads = threads
        self._stopped = threading.Event()
        self._submitting = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="tiles")

    def __enter__(self) -> TileReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Number of batches."""
        return math.ceil(len(self._order) / self._batch)

    def __iter__(self) -> Iterator[TileBatch]:
        """Batches in order; ends early after `close`.

        Raises
        ------
        SlideReadError
            If the slide was closed meanwhile. A tile that cannot be decoded raises nothing; see `TileBatch.readable`.
        """
        starts = iter(range(0, len(self._order), self._batch))
        ahead: deque[_Pending] = deque()
        try:
            while not self._stopped.is_set():
                while len(ahead) <= _BATCHES_AHEAD and (start := next(starts, None)) is not None:
                    ahead.append(self._submit(self._order[start : start + self._batch]))
                if not ahead:
                    return
                pending = ahead.popleft()
                for part in pending.parts:
                    part.result()
                if not self._stopped.is_set():
                    yield pending.batch
        finally:
            for pending in ahead:
                for part in pending.parts:
                    part.cancel()

    def close(self) -> None:
        """Stop reading, wait for reads under way, let go of the threads. Safe to call twice, and from any thread."""
        with self._submitting:
            self._stopped.set()
        self._pool.shutdown(wait=True, cancel_futures=False)

    def _submit(self, indices: npt.NDArray[np.int64]) -> _Pending:
        side = self._tiles.tile_px
        count = len(indices)
        pixels = np.zeros((count, side, side, 3), dtype=np.uint8)
        batch = TileBatch(indices.astype(np.int64), pixels, np.zeros(count, dtype=np.bool_))
        share = math.ceil(count / self._threads)
        with self._submitting:
            if self._stopped.is_set():
                return _Pending(batch, ())
            parts = tuple(
                self._pool.submit(self._fill, batch, first, min(first + share, count))
                for first in range(0, count, share)
            )
        return _Pending(batch, parts)

    def _fill(self, batch: TileBatch, first: int, last: int) -> None:
        for slot in range(first, last):
            if self._stopped.is_set():
                return
            try:
                batch.pixels[slot] = self._slide.read_grid(self._tiles.pixels(int(batch.indices[slot])))
                batch.readable[slot] = True
            except TileReadError:
                continue


@dataclass(frozen=True)
class _Pending:
    batch: TileBatch
    parts: tuple[Future[None], ...]
