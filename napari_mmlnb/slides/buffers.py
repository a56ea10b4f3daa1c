"""Arrays for batches of tiles, used again when nobody looks at them any more.

A fresh array of some megabytes costs a page fault every four kilobytes, which is not small beside decoding; and
page-locked memory, which a GPU copies from, is too costly to make for every batch.
"""

from __future__ import annotations

import math
import mmap
import threading
from collections.abc import Callable
from typing import NamedTuple

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
        self._free: list[_Memory] = []
        self._lock = threading.RLock()  # a garbage collection while we hold it may bring arrays back

    def lend(self, shape: tuple[int, ...]) -> RGB:
        """An array of that shape, uint8, its content arbitrary."""
        count = math.prod(shape)
        memory = self._taken(count)
        if memory is None:
            array = self._allocate((count,))
            memory = _Memory(array, array.ctypes.data)
        return np.asarray(_Loan(memory, shape, self._take_back))

    def _taken(self, count: int) -> _Memory | None:
        with self._lock:
            # The one that came back last is likeliest to be in the processor's cache still.
            for at in range(len(self._free) - 1, -1, -1):
                if self._free[at].array.size >= count:
                    return self._free.pop(at)
        return None

    def _take_back(self, memory: _Memory) -> None:
        with self._lock:
            if len(self._free) < self._spare:
                self._free.append(memory)


class _Memory(NamedTuple):
    array: RGB
    address: int


class _Loan:
    """What an array that was lent, and every view of it, keeps alive as the owner of its memory.

    Parameters
    ----------
    memory : _Memory
        What is lent.
    shape : tuple of int
        As what; not larger.
    take_back : callable
        Called with the memory when nobody looks at it any more.
    """

    __slots__ = ("__array_interface__", "_memory", "_take_back")

    def __init__(self, memory: _Memory, shape: tuple[int, ...], take_back: Callable[[_Memory], None]) -> None:
        self._memory = memory
        self._take_back = take_back
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": "|u1", "data": (memory.address, False)}

    def __del__(self) -> None:
        self._take_back(self._memory)


def mapped_array(shape: tuple[int, ...]) -> RGB:
    """A new array, uint8, in memory of its own that goes back to the system at once when the array is gone.

    Large arrays that come and go beside thousands of small ones that stay would else leave holes in the heap that
    nobody can use: 80 MB of them after a minute of panning.
    """
    memory = mmap.mmap(-1, max(1, math.prod(shape)))
    return np.frombuffer(memory, dtype=np.uint8, count=math.prod(shape)).reshape(shape)


def _empty(shape: tuple[int, ...]) -> RGB:
    return np.empty(shape, dtype=np.uint8)
