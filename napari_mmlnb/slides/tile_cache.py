"""Decoded tiles kept in memory up to a number of bytes, the least recently used leaving first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from napari_mmlnb.slides.backends.base import RGB

DEFAULT_BYTES = 256 * 2**20


class TileCache:
    """A cache of arrays with a limit in bytes; safe from several threads.

    Whoever must hold decoded pixels for a while (a reader of tiles, for those that its next tiles need too) reserves
    the bytes here, so that one limit holds for all of a slide's decoded pixels.

    Parameters
    ----------
    limit_bytes : int
        What may be kept and reserved together. An array larger than what is free for keeping is not kept.
    """

    def __init__(self, limit_bytes: int = DEFAULT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._kept_bytes = 0
        self._reserved_bytes = 0
        self._arrays: OrderedDict[Hashable, RGB] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def used_bytes(self) -> int:
        """What is kept and reserved now."""
        return self._kept_bytes + self._reserved_bytes

    def get(self, key: Hashable) -> RGB | None:
        """The array of that key, now the most recently used, or None."""
        if key not in self._arrays:  # mostly, for who reads a slide from end to end: so no lock for that
            return None
        with self._lock:
            array = self._arrays.get(key)
            if array is not None:
                self._arrays.move_to_end(key)
            return array

    def __contains__(self, key: Hashable) -> bool:
        """Whether it is kept, without making it recently used."""
        return key in self._arrays

    def put(self, key: Hashable, array: RGB) -> None:
        """Keep an array, which must not be written to from now on."""
        array.flags.writeable = False
        with self._lock:
            if array.nbytes > self.limit_bytes - self._reserved_bytes:
                return
            old = self._arrays.pop(key, None)
            self._kept_bytes += array.nbytes - (old.nbytes if old is not None else 0)
            self._arrays[key] = array
            self._evict()

    def reserve(self, count: int) -> bool:
        """Set bytes aside for pixels held elsewhere; False where that would take more than half of the limit."""
        with self._lock:
            if self._reserved_bytes + count > self.limit_bytes // 2:
                return False
            self._reserved_bytes += count
            self._evict()
            return True

    def release(self, count: int) -> None:
        """Give reserved bytes back."""
        with self._lock:
            self._reserved_bytes -= count

    def clear(self) -> None:
        """Forget all that is kept."""
        with self._lock:
            self._arrays.clear()
            self._kept_bytes = 0

    def _evict(self) -> None:
        while self._arrays and self._kept_bytes + self._reserved_bytes > self.limit_bytes:
            self._kept_bytes -= self._arrays.popitem(last=False)[1].nbytes
