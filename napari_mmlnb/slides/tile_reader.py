"""Tiles of a slide in batches, each stored tile decoded once, read ahead by the slide's decoding threads."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from napari_mmlnb.errors import SlideReadError, TileReadError
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.buffers import Allocate, BufferPool
from napari_mmlnb.slides.decode_pool import DecodePool, Priority
from napari_mmlnb.slides.paste_table import PasteTable
from napari_mmlnb.slides.slide import Slide
from napari_mmlnb.slides.tile_grid import TileGrid
from napari_mmlnb.slides.tile_plan import TilePlan

_BATCHES_AHEAD = 2

# Planning is a few dozen calls of NumPy, whatever the number of tiles, while the decoding threads wait for Python.
_BATCHES_PLANNED = 8

# Stored tiles that a thread decodes before it looks whether something more urgent waits: a few milliseconds.
_STEPS_A_TASK = 12

_ASKED_EACH_S = 0.1

# Stored tiles that are held come and go by the dozen.
_SPARE = 64


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

    Each stored tile of the slide is decoded once, whatever the order: what later tiles need too is held, within the
    memory of the slide's cache, until the last of them has it. (Where the memory does not suffice, it is decoded again,
    and counted.) At most two batches are read ahead of the one in use, so memory stays bounded when the consumer is
    slow. What is read does not depend on order, batch size or number of threads.

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
    threads : int, optional
        Read with so many threads of its own; by default with those that the slide's viewer uses too, who comes first.
    reduce_in_decoder : bool
        Whether JPEG tiles may be reduced in the DCT domain, which is faster; not the same pixels as the mean.
    allocate : callable, optional
        Makes the arrays that tiles are read into from their shape (for page-locked memory); `numpy.empty` by default.
    stopped : callable, optional
        Asked while a batch is waited for; a true answer ends the reading, however slow the slide's storage is.
    """

    def __init__(
        self,
        slide: Slide,
        tile_grid: TileGrid,
        *,
        order: Sequence[int] | npt.NDArray[np.integer] | None = None,
        batch: int = 32,
        threads: int | None = None,
        reduce_in_decoder: bool = False,
        allocate: Allocate | None = None,
        stopped: Callable[[], bool] | None = None,
    ) -> None:
        if batch < 1 or (threads is not None and threads < 1):
            raise ValueError(f"batch and threads must be at least 1, not {batch} and {threads}")
        self._order = np.arange(len(tile_grid)) if order is None else np.asarray(order, dtype=np.int64).reshape(-1)
        self._batch = batch
        self._slide = slide
        self._pool = slide.pool if threads is None else DecodePool(threads)
        self._own_pool = threads is not None
        self._plan = plan_tiles(slide, tile_grid, in_decoder=reduce_in_decoder)
        self._uses = self._plan.uses(self._order)
        self._inside = self._plan.inside(self._order)
        self._held: dict[tuple[int, int], _Held] = {}
        self._buffers = BufferPool(allocate)
        self._windows = BufferPool()
        self._kept = BufferPool(spare=_SPARE)
        self._scratch = threading.local()
        self._stopped = threading.Event()
        self._asked_to_stop = stopped
        self._arrival = threading.Condition()
        self._lock = threading.Lock()
        self._running: set[Future[None]] = set()
        self._unfinished: list[_Pending] = []
        self._reserved = 0
        self._begun = False
        self.decoded = 0
        """Stored tiles decoded so far."""
        self.decoded_again = 0
        """Those of them that had been decoded before and could not be held."""

    @property
    def decoder_reduction(self) -> int:
        """By which factor the decoder reduces stored tiles; 1 for not at all."""
        return self._plan.decoder_reduction

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
        RuntimeError
            If it is iterated over a second time.
        """
        if self._begun:
            raise RuntimeError("a TileReader reads its tiles once; make another one")
        self._begun = True
        batches = self._planned()
        ahead: deque[_Pending] = deque()
        while not self._stopped.is_set():
            while len(ahead) <= _BATCHES_AHEAD and (planned := next(batches, None)) is not None:
                ahead.append(self._submit(*planned))
            if not ahead:
                return
            pending = ahead.popleft()
            if not self._wait(pending):
                return
            yield pending.batch

    def close(self) -> None:
        """Stop reading and wait for what is under way. Safe to call twice, and from any thread."""
        self._stopped.set()
        with self._lock:
            running = list(self._running)
        for task in running:
            if not task.cancel():
                task.exception()
        for pending in self._unfinished:
            pending.end(stopped=True)
        self._held.clear()
        with self._lock:
            reserved, self._reserved = self._reserved, 0
        self._slide.cache.release(reserved)
        if self._own_pool:
            self._pool.close()

    def _wait(self, pending: _Pending) -> bool:
        """Whether the batch is complete; False where reading was stopped."""
        while self._asked_to_stop is not None and not wait([pending.done], _ASKED_EACH_S).done:
            if self._asked_to_stop():
                return False
        return pending.done.result()

    def _planned(self) -> Iterator[tuple[slice, PasteTable]]:
        """Which part of the order each batch is, and where its pixels come from; some batches are planned at once."""
        for first in range(0, len(self._order), self._batch * _BATCHES_PLANNED):
            some = self._order[first : first + self._batch * _BATCHES_PLANNED]
            for nth, table in enumerate(self._plan.pastes(some, self._batch)):
                start = first + nth * self._batch
                yield slice(start, start + self._batch), table

    def _submit(self, part: slice, table: PasteTable) -> _Pending:
        pending = self._pending(part)
        self._unfinished = [one for one in self._unfinished if not one.done.done()] + [pending]
        steps = self._steps(table)
        pending.left = math.ceil(len(steps) / _STEPS_A_TASK)
        if not steps:
            self._finish_windows(pending)
        for first in range(0, len(steps), _STEPS_A_TASK):
            self._start(Priority.INFERENCE, self._fill, pending, steps[first : first + _STEPS_A_TASK])
        if self._stopped.is_set():  # `close` may have looked for unfinished ones before this one was there
            pending.end(stopped=True)
        return pending

    def _pending(self, part: slice) -> _Pending:
        indices = self._order[part].astype(np.int64)
        side, count = self._plan.tiles.tile_px, len(indices)
        pixels = self._buffers.lend((count, side, side, 3))
        batch = TileBatch(indices, pixels, np.ones(count, dtype=np.bool_))
        windows = pixels if self._plan.copies else self._windows.lend((count, *self._plan.window_shape, 3))
        for slot in np.flatnonzero(~self._inside[part]).tolist():
            windows[slot] = 255
        return _Pending(batch, windows)

    def _steps(self, table: PasteTable) -> list[_Step]:
        """The stored tiles that a batch needs, in the order of the file, and where their pixels go."""
        rows, columns = table.stored[:, 0], table.stored[:, 1]
        self._uses[rows, columns] -= np.diff(table.first).astype(np.int32)
        last = (self._uses[rows, columns] == 0).tolist()
        first, pastes = table.first.tolist(), table.pastes.tolist()
        return [
            self._step((row, column), pastes[first[nth] : first[nth + 1]], last[nth])
            for nth, (row, column) in enumerate(table.stored.tolist())
        ]

    def _step(self, key: tuple[int, int], pastes: list[_Paste], last: bool) -> _Step:
        held = self._held.pop(key, None) if last else self._held.get(key)
        if held is not None:
            return _Step(key, pastes, held, fetch=False, free=last)
        if not last:
            height, width = self._plan.stored_shape
            keep = _Held(height * width * 3, self._arrival)
            if self._reserve(keep.nbytes):
                self._held[key] = keep
                return _Step(key, pastes, keep, fetch=True, free=False)
            self.decoded_again += 1
        return _Step(key, pastes, None, fetch=True, free=False)

    def _reserve(self, count: int) -> bool:
        with self._lock:  # together with the look at `_stopped`, so that `close` gives back all
            if self._stopped.is_set() or not self._slide.cache.reserve(count):
                return False
            self._reserved += count
            return True

    def _start(self, priority: Priority, call: Callable[..., None], *args: object) -> None:
        with self._lock:
            if self._stopped.is_set():
                return
            try:
                task = self._pool.submit(priority, call, *args)
            except RuntimeError as error:
                raise SlideReadError(self._slide.path, "The slide is closed.", "Open it again.") from error
            self._running.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: Future[None]) -> None:
        with self._lock:
            self._running.discard(task)

    def _fill(self, pending: _Pending, steps: list[_Step]) -> None:
        try:
            scratch = self._scratch_of_thread()
            for step in steps:
                if self._stopped.is_set():
                    break
                self._paste(pending, step, scratch)
            self._count(steps)
            if self._stopped.is_set():
                pending.end(stopped=True)  # there may be holes in it
            elif self._one_less(pending):
                self._finish_windows(pending)
        except BaseException as error:
            for step in steps:
                if step.fetch and step.held is not None:
                    step.held.give(None)  # nobody must wait for what never comes
            pending.end(error)
            raise

    def _count(self, steps: list[_Step]) -> None:
        with self._lock:
            self.decoded += sum(step.fetch for step in steps)

    def _paste(self, pending: _Pending, step: _Step, scratch: _Scratch) -> None:
        if step.fetch:
            stored = self._fetch(step, scratch)
        else:
            stored = step.held.wait(self._stopped) if step.held is not None else None
        for slot, top, bottom, left, right, of_top, of_bottom, of_left, of_right in step.pastes:
            if stored is None:
                pending.batch.readable[slot] = False
            else:
                pending.windows[slot, top:bottom, left:right] = stored[of_top:of_bottom, of_left:of_right]
        if step.free and step.held is not None:
            with self._lock:
                self._reserved -= step.held.nbytes
            self._slide.cache.release(step.held.nbytes)

    def _fetch(self, step: _Step, scratch: _Scratch) -> RGB | None:
        """Decode and reduce a tile, in the thread's own memory unless later ones need it too."""
        plan, held = self._plan, step.held
        kept = held is not None and not plan.reduces
        decoded = self._decode(step, self._kept.lend(plan.decoded_shape) if kept else scratch.decoded)
        pixels = None if decoded is None else plan.reduced(decoded, scratch.reduced if held is None else None)
        if held is not None:
            held.give(pixels)
        return pixels

    def _decode(self, step: _Step, out: RGB) -> RGB | None:
        """A stored tile; None where it cannot be decoded."""
        plan = self._plan
        try:
            return self._slide.tiles.tile(plan.level, *step.key, plan.decoder_reduction, keep=False, out=out)
        except TileReadError:
            self._slide.damage.add(plan.level, *step.key)
            return None

    def _scratch_of_thread(self) -> _Scratch:
        scratch: _Scratch | None = getattr(self._scratch, "arrays", None)
        if scratch is None:
            plan = self._plan
            scratch = _Scratch(np.empty(plan.decoded_shape, np.uint8), np.empty((*plan.stored_shape, 3), np.uint8))
            self._scratch.arrays = scratch
        return scratch

    def _one_less(self, pending: _Pending) -> bool:
        """Count a task of a batch as done; whether it was the last one."""
        with self._lock:
            pending.left -= 1
            return pending.left == 0

    def _finish_windows(self, pending: _Pending) -> None:
        if self._plan.copies:
            self._complete(pending)
            return
        count = len(pending.batch)
        share = math.ceil(count / self._pool.threads)
        pending.left = math.ceil(count / share)
        for first in range(0, count, share):
            self._start(Priority.FINISH, self._finish, pending, range(first, min(first + share, count)))

    def _finish(self, pending: _Pending, slots: range) -> None:
        try:
            for slot in slots:
                if pending.batch.readable[slot]:
                    index = int(pending.batch.indices[slot])
                    pending.batch.pixels[slot] = self._plan.finish(index, pending.windows[slot])
            if self._one_less(pending):
                self._complete(pending)
        except BaseException as error:
            pending.end(error)
            raise

    def _complete(self, pending: _Pending) -> None:
        if not pending.batch.readable.all():
            pending.batch.pixels[~pending.batch.readable] = 0
        pending.end()


def plan_tiles(slide: Slide, tile_grid: TileGrid, *, in_decoder: bool = False) -> TilePlan:
    """How a `TileReader` will read the tiles of a grid."""
    reductions = [slide.tiles.reductions(level) for level in range(len(slide.grids))]
    return TilePlan(slide.metadata.levels, slide.grids, tile_grid, reductions, in_decoder=in_decoder)


_Paste = list[int]
"""A row of `PasteTable.pastes`."""


class _Held:
    """A stored tile that later tiles need too.

    There are as many of them as stored tiles; who waits for one (hardly anybody does) waits where all wait.
    """

    __slots__ = ("_arrival", "_awaited", "_pixels", "_ready", "nbytes")

    def __init__(self, nbytes: int, arrival: threading.Condition) -> None:
        self.nbytes = nbytes
        self._arrival = arrival
        self._awaited = False
        self._ready = False
        self._pixels: RGB | None = None

    def give(self, pixels: RGB | None) -> None:
        """Hand the pixels over; the first word counts."""
        if not self._ready:
            self._pixels = pixels
            self._ready = True
            if self._awaited:
                with self._arrival:
                    self._arrival.notify_all()

    def wait(self, stopped: threading.Event) -> RGB | None:
        """The pixels. They were asked for before, so they are there, or on their way."""
        if not self._ready:
            with self._arrival:
                self._awaited = True
                while not (self._ready or stopped.is_set()):
                    self._arrival.wait(0.1)
        return self._pixels


class _Scratch(NamedTuple):
    """Arrays of a thread's own: for a tile as the decoder gives it, and as it is copied from."""

    decoded: RGB
    reduced: RGB


class _Step(NamedTuple):
    key: tuple[int, int]
    pastes: list[_Paste]
    held: _Held | None
    fetch: bool
    free: bool


@dataclass
class _Pending:
    batch: TileBatch
    windows: RGB
    left: int = 0
    done: Future[bool] = field(default_factory=Future)

    def __post_init__(self) -> None:
        self._ending = threading.Lock()

    def end(self, error: BaseException | None = None, *, stopped: bool = False) -> None:
        """Tell whoever waits; the first word counts."""
        with self._ending:
            if self.done.done():
                return
            if error is not None:
                self.done.set_exception(error)
            else:
                self.done.set_result(not stopped)
