"""Decoded chunks kept in memory up to a number of bytes, the least recently used leaving first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from napari_mmlnb.slides.backends.base import RGB

DEFAULT_BYTES = 256 * 2**20


class ChunkCache:
    """A cache of arrays with a limit in bytes; safe from several threads.

    Parameters
    ----------
    limit_bytes : int
        What it may hold. An array larger than that is not kept.
    """

    def __init__(self, limit_bytes: int = DEFAULT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._bytes = 0
        self._chunks: OrderedDict[Hashable, RGB] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def used_bytes(self) -> int:
        """What it holds now."""
        return self._bytes

    def get(self, key: Hashable) -> RGB | None:
        """The array of that key, now the most recently used, or None."""
        with self._lock:
            chunk = self._chunks.get(key)
            if chunk is not None:
                self._chunks.move_to_end(key)
            return chunk

    def put(self, key: Hashable, chunk: RGB) -> None:
        """Keep an array, which must not be written to from now on."""
        if chunk.nbytes > self.limit_bytes:
            return
        chunk.flags.writeable = False
        with self._lock:
            old = self._chunks.pop(key, None)
            self._bytes += chunk.nbytes - (old.nbytes if old is not None else 0)
            self._chunks[key] = chunk
            while self._bytes > self.limit_bytes:
                self._bytes -= self._chunks.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._chunks.clear()
            self._bytes = 0
