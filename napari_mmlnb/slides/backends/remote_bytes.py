"""Bytes of a remote slide, read in blocks that are kept for a while; `remote_patience` says how long that may take.

Tiles that lie one after the other are asked for one after the other. So where the blocks before the wanted one are
there already, those after it are fetched in the background, the further the longer that holds; a single look at one
place costs one block.
"""

from __future__ import annotations

import io
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from napari_mmlnb.errors import SlideNotFoundError, SlideReadError, TileReadError
from napari_mmlnb.slides.backends.file_bytes import LARGEST_READ
from napari_mmlnb.slides.backends.remote_error import RemoteError
from napari_mmlnb.slides.backends.remote_patience import Patience
from napari_mmlnb.slides.backends.remote_ranges import (
    Ranges,
    RemoteFile,
    failure_of,
    open_ranges,
    run_in_loop,
)
from napari_mmlnb.slides.location import RemoteUrl

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

T = TypeVar("T")

_BLOCK = 128 * 2**10
_RUN = 8
"""Blocks in one request at most, and fetched ahead at most."""
_KEPT = 256


class RemoteBytes:
    """A remote file read at positions. Safe from several threads.

    Parameters
    ----------
    location : RemoteUrl
        The file.

    Attributes
    ----------
    size : int
        Bytes.

    Raises
    ------
    SlideNotFoundError
        If the server says that there is no such file.
    SlideReadError
        If it cannot be reached, refuses, or cannot send parts of a file.
    MissingExtraError
        If the client of its object store is not installed.
    """

    def __init__(self, location: RemoteUrl) -> None:
        self._location = location
        self._patience = Patience()
        self._ranges: Ranges = open_ranges(location)
        self._lock = threading.Lock()
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._running: set[Future[None]] = set()
        self._closed = False
        self._failure: RemoteError | None = None
        try:
            opened: Future[RemoteFile] = run_in_loop(self._patience.call(self._ranges.begin))
            self.size: int = self._await([opened])[0].size
        except RemoteError as failure:
            raise self._cannot_open(failure) from None

    @contextmanager
    def opening(self, *, limited: bool = True) -> Iterator[None]:
        """While something is read as a whole: any failed read ends it, as an error of the slide, not of a tile.

        Parameters
        ----------
        limited : bool
            Whether `RemoteLimits.open_s` holds for all of it.

        Libraries that read structures may take a failed read for the end of a directory and go on with what they have;
        that must not show as a slide with fewer levels.
        """
        if not limited:
            self._patience.opened()
        try:
            yield
        except Exception:
            if self._failure is None:
                raise
        finally:
            self._patience.opened()
        if self._failure is not None:
            raise self._cannot_open(self._failure) from None

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes from `offset`.

        Raises
        ------
        TileReadError
            If the file ends before that, or they cannot be had in time.
        SlideReadError
            If it has been closed.
        """
        if self._closed:
            raise SlideReadError(self._location, "The slide is closed.", "Open it again.")
        if not 0 <= count <= LARGEST_READ or offset < 0 or offset + count > self.size:
            raise TileReadError(self._location, "The slide's file ends before one of its tiles.")
        if count == 0:
            return b""
        try:
            parts = self._await(self._wanted(offset // _BLOCK, (offset + count - 1) // _BLOCK))
        except RemoteError as failure:
            self._failure = failure
            raise TileReadError(self._location, f"{self._location} {failure.reason}.", failure.remedy) from None
        data = b"".join(parts)
        start = offset % _BLOCK
        return data[start : start + count]

    def close(self) -> None:
        """Let go of what was read; what is under way is given up. Safe to call twice."""
        with self._lock:
            self._closed = True
            blocks, self._blocks = self._blocks, OrderedDict()
            running = list(self._running)
        for task in running:
            task.cancel()
        for block in blocks.values():
            block.cancel()

    def _wanted(self, first: int, last: int) -> list[Future[bytes]]:
        """The blocks from `first` to `last`, on their way or there, and some after them asked for."""
        with self._lock:
            self._patience.check()
            self._request(range(first, last + 1))
            wanted = []
            for index in range(first, last + 1):
                self._blocks.move_to_end(index)
                wanted.append(self._blocks[index])
            ahead = self._ahead(first, last)
            self._request(ahead)
            self._forget_old(keep=last - first + 1 + len(ahead))
            return wanted

    def _ahead(self, first: int, last: int) -> range:
        """As many blocks as are there before these, once half of those before are used up."""
        count = 0
        while count < _RUN and first - count - 1 in self._blocks:
            count += 1
        end = min(last + 1 + count, -(-self.size // _BLOCK))
        near = last + (count + 1) // 2
        return range(last + 1, end) if count and near < end and near not in self._blocks else range(0)

    def _request(self, indices: Iterable[int]) -> None:
        """Ask for blocks that are not there yet, those that touch in one request."""
        run: list[int] = []
        for index in indices:
            if index in self._blocks:
                continue
            if run and (index != run[-1] + 1 or len(run) == _RUN):
                self._launch(run)
                run = []
            self._blocks[index] = Future()
            run.append(index)
        if run:
            self._launch(run)

    def _launch(self, run: list[int]) -> None:
        task: Future[None] = run_in_loop(self._fill([(index, self._blocks[index]) for index in run]))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _fill(self, blocks: list[tuple[int, Future[bytes]]]) -> None:
        """Fetch blocks that touch, and give each to whoever waits for it."""
        start, end = blocks[0][0] * _BLOCK, min((blocks[-1][0] + 1) * _BLOCK, self.size)

        async def fetched() -> bytes:
            data = await self._ranges.fetch(start, end)
            if len(data) != end - start:
                raise RemoteError("was cut short on the way", again=True)
            return data

        try:
            data = await self._patience.call(fetched)
        except RemoteError as failure:
            self._give_up(blocks, failure)
            return
        for number, (_, block) in enumerate(blocks):
            if block.set_running_or_notify_cancel():
                block.set_result(data[number * _BLOCK : (number + 1) * _BLOCK])

    def _give_up(self, blocks: list[tuple[int, Future[bytes]]], failure: RemoteError) -> None:
        with self._lock:
            for index, block in blocks:
                if self._blocks.get(index) is block:
                    del self._blocks[index]
        for _, block in blocks:
            if block.set_running_or_notify_cancel():
                block.set_exception(failure)

    def _await(self, blocks: list[Future[T]]) -> list[T]:
        # The coroutines end in time by themselves; that of the event loop itself is not in our hands.
        end = time.monotonic() + self._patience.limits.read_s + 1
        try:
            return [block.result(max(end - time.monotonic(), 0.0)) for block in blocks]
        except TimeoutError as error:
            raise failure_of(error) from None
        except CancelledError:
            raise RemoteError("was closed while it was read") from None

    def _forget_old(self, keep: int) -> None:
        for index in list(self._blocks)[: max(len(self._blocks) - max(_KEPT, keep), 0)]:
            if self._blocks[index].done():
                del self._blocks[index]

    def _cannot_open(self, failure: RemoteError) -> SlideReadError | SlideNotFoundError:
        if failure.missing:
            return SlideNotFoundError(self._location)
        return SlideReadError(self._location, f"{self._location} {failure.reason}.", failure.remedy)


class RemoteStream(io.RawIOBase):
    """A `RemoteBytes` as a file, for libraries that read structures from files; closing it does not close the source.

    Parameters
    ----------
    source : RemoteBytes
        What to read.
    """

    def __init__(self, source: RemoteBytes) -> None:
        super().__init__()
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The position, bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the file's beginning")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer as far as the file reaches; how many bytes that were."""
        view = memoryview(buffer).cast("B")
        count = max(min(len(view), self._source.size - self._position), 0)
        view[:count] = self._source.read(self._position, count)
        self._position += count
        return count
