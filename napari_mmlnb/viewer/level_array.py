"""A level of a slide as napari wants it: something with a shape that is read by slices.

Napari reads on the thread that paints. So these read straight from the pyramid, without the event loop and the copies
of zarr between; they tell napari to align its reads to the file's own tiles, so that little more is read than is seen;
and they refuse what would fill the memory, which the "resolution" box of napari's layer controls would otherwise ask
for.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mmlnb.errors import RequestError
from napari_mmlnb.slides.backends.base import RGB

if TYPE_CHECKING:
    from napari_mmlnb.slides.pyramid import Pyramid
    from napari_mmlnb.slides.slide import Slide

LARGEST_READ_BYTES = 400 * 2**20
"""More than a screen of 7680 x 4320 pixels asks for at the worst scale, four pixels for each that it shows."""

SMALLEST_STEP_PX, LARGEST_STEP_PX = 128, 512
"""Napari reads anew when the view leaves what was read; smaller steps mean more reads, larger ones longer reads."""

OnRefused = Callable[["LevelArray"], None]


class LevelArray:
    """One level of a pyramid, (h, w, 3) uint8, read-only; reads are safe from several threads.

    Parameters
    ----------
    slide : Slide
        Whose pyramid it is; it stays open as long as somebody holds one of its levels, unless it is closed.
    pyramid : Pyramid
        What is read.
    level : int
        Which level of it.
    on_refused : callable, optional
        Called with this array when more is asked for than `LARGEST_READ_BYTES`. The answer is then a single grey pixel.

    Attributes
    ----------
    chunks : tuple of int
        What napari aligns its reads to.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, slide: Slide, pyramid: Pyramid, level: int, on_refused: OnRefused | None = None) -> None:
        self.slide = slide
        self.level = level
        self._pyramid = pyramid
        self.shape = (*pyramid.levels[level].grid.shape, 3)
        self.chunks = (*(_step(side) for side in pyramid.step_px(level)), 3)
        self._on_refused = on_refused

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def nbytes(self) -> int:
        """Bytes of the whole level."""
        return self.size

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        height, width, _ = self.shape
        return f"<level {self.level} of a slide, {width} x {height} px>"

    def __getitem__(self, key: Any) -> RGB:
        """What numpy would give for the same key; integers, slices and an ellipsis."""
        rows, columns, colours = self._full(key)
        y, height, row_rest = _window(rows, self.shape[0])
        x, width, column_rest = _window(columns, self.shape[1])
        if height * width * 3 > LARGEST_READ_BYTES:
            if self._on_refused is not None:
                self._on_refused(self)
            return np.full((1, 1, 3), 128, np.uint8)
        pixels = self._pyramid.read(self.level, y, x, height, width)
        return pixels[row_rest, column_rest, colours]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The whole level.

        Raises
        ------
        RequestError
            If it is larger than `LARGEST_READ_BYTES`.
        """
        if self.nbytes > LARGEST_READ_BYTES:
            raise RequestError(
                f"Level {self.level} of the slide, {self.nbytes / 1e9:.1f} GB, is too large to be read at once.",
                "Read a part of it, or a coarser level.",
            )
        return np.asarray(self[:, :], dtype=dtype)

    def _full(self, key: Any) -> tuple[Any, Any, Any]:
        """The key as one entry an axis."""
        entries = key if isinstance(key, tuple) else (key,)
        if Ellipsis in entries:
            at = entries.index(Ellipsis)
            entries = (*entries[:at], *[slice(None)] * (self.ndim + 1 - len(entries)), *entries[at + 1 :])
        if len(entries) > self.ndim:
            raise IndexError(f"too many indices for an array of {self.ndim} dimensions")
        rows, columns, colours = (*entries, *[slice(None)] * (self.ndim - len(entries)))
        return rows, columns, colours


def _step(tile_px: int) -> int:
    """A multiple or an even part of a tile's side, of a size that is worth a read."""
    step = tile_px
    while step < SMALLEST_STEP_PX:
        step *= 2
    while step > LARGEST_STEP_PX:
        step = -(-step // 2)
    return step


def _window(entry: Any, length: int) -> tuple[int, int, Any]:
    """First index, count, and what is left to do with them, for one axis of a key."""
    if not isinstance(entry, slice):
        index = operator.index(entry)
        if not -length <= index < length:
            raise IndexError(f"{index} is out of range for {length} pixels")
        return index % length, 1, 0
    indices = range(length)[entry]
    if not indices:
        return 0, 0, slice(None)
    low, high = min(indices[0], indices[-1]), max(indices[0], indices[-1])
    return low, high - low + 1, slice(None, None, indices.step)
