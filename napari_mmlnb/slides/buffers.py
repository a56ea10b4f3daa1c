"""Arrays for batches of tiles, used again when nobody looks at them any more.

A fresh array of some megabytes costs a page fault every four kilobytes, which is not small beside decoding; and
page-locked memory, which a GPU copies from, is too costly to make for every batch.
"""

from __future__ import annotations

import math
import mmap
import threading
import weakref
from collections.abc import Callable

import numpy as np

from napari_mmlnb.slides.backends.base import RGB

Allocate = Callable[[tuple[int, ...]], RGB]


class BufferPool:
    """Lends arrays of one size; each comes back by itself when the last view of it is gone.

    Parameters
    ----------
    allocate : callable, optional
        Makes an array of a shape, contiguous uint8; `numpy.empty` by default.
    spare : int
        How many are kept for the next use.
    """

    def __init__(self, allocate: Allocate | None = None, spare: int = 4) -> None:
        self._allocate = allocate or _empty
        self._spare = spare
        self._free: list[RGB] = []
        self._lock = threading.RLock()  # a garbage collection while we hold it may bring arrays back

    def lend(self, shape: tuple[int, ...]) -> RGB:
        """An array of that shape, uint8, its content arbitrary."""
        count = math.prod(shape)
        with self._lock:
            # The one that came back last is likeliest to be in the processor's cache still.
            owner = next((one for one in reversed(self._free) if one.size >= count), None)
            if owner is not None:
                self._free = [one for one in self._free if one is not owner]
        if owner is None:
            owner = self._allocate((count,))
        # An array over a foreign buffer is what all views of it keep alive: when it goes, they have gone.
        lent = np.frombuffer(owner.data, dtype=np.uint8, count=count)
        weakref.finalize(lent, self._take_back, owner)
        view: RGB = lent.reshape(shape)
        return view

    def _take_back(self, owner: RGB) -> None:
        with self._lock:
            if len(self._free) < self._spare:
                self._free.append(owner)


def mapped_array(shape: tuple[int, ...]) -> RGB:
    """A new array, uint8, in memory of its own that goes back to the system at once when the array is gone.

    Large arrays that come and go beside thousands of small ones that stay would else leave holes in the heap that
    nobody can use: 80 MB of them after a minute of panning.
    """
    memory = mmap.mmap(-1, max(1, math.prod(shape)))
    return np.frombuffer(memory, dtype=np.uint8, count=math.prod(shape)).reshape(shape)


def _empty(shape: tuple[int, ...]) -> RGB:
    return np.empty(shape, dtype=np.uint8)
