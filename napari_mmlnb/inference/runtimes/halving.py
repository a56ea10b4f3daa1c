"""Batches that fit into a device's memory: found by trial, halved where they do not fit after all."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import torch

from napari_mmlnb.errors import RequestError
from napari_mmlnb.inference.runtimes.base import FeatureArray
from napari_mmlnb.slides.backends.base import RGB

SMALLEST, LARGEST = 8, 1024
GAIN = 1.05
"""A batch of twice the size must be faster by this much to be worth its memory."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device's memory is used up. MPS has no class of its own for that."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "out of memory" in str(error).lower()
    )


class Halving:
    """Calls in pieces of a batch; where one does not fit into memory, in halves of it from then on.

    What a tile gives does not depend on the piece that it was in, nor on how often memory ran out. The tiles are never
    read at another size or scale.

    Parameters
    ----------
    piece : int
        Tiles in a call, to begin with.
    relieve : callable
        Gives back what memory can be given back, before the next try.
    """

    def __init__(self, piece: int, relieve: Callable[[], None]) -> None:
        self.piece = piece
        self._relieve = relieve
        self._lock = threading.Lock()

    def run(self, pixels: RGB, call: Callable[[RGB], FeatureArray]) -> FeatureArray:
        """`call` on all of (B, H, W, 3), its answers in order.

        Raises
        ------
        RequestError
            If not even a single tile fits.
        """
        parts: list[FeatureArray] = []
        first = 0
        while first < len(pixels):
            size = self.piece
            part = self._try(pixels[first : first + size], call)
            if part is None:
                self._halve(min(size, len(pixels) - first))
                continue
            parts.append(part)
            first += len(part)
        return np.concatenate(parts)

    def _try(self, pixels: RGB, call: Callable[[RGB], FeatureArray]) -> FeatureArray | None:
        try:
            return call(pixels)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None  # once we have left, nothing holds the tensors of the failed call any more

    def _halve(self, failed: int) -> None:
        if failed <= 1:
            raise RequestError("The device's memory does not hold a single tile.", "Use --device cpu.")
        with self._lock:
            self.piece = min(self.piece, max(1, failed // 2))
        self._relieve()


def find_batch(rate: Callable[[int], float]) -> int:
    """The batch beyond which a device does not get faster.

    Doubled as long as that gains 5 % or more and the memory suffices.

    Parameters
    ----------
    rate : callable
        Tiles a second with batches of so many; raises what a device raises that is out of memory.
    """
    best, batch = 0.0, SMALLEST
    while batch <= LARGEST:
        try:
            measured = rate(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            break
        if measured < best * GAIN:
            break
        best, batch = measured, batch * 2
    return max(1, batch // 2)
