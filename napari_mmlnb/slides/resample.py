"""Pixels of a level brought to another scale, exact to a fraction of a pixel.

The output's pixel ``i`` covers ``[origin + i s, origin + (i + 1) s)``; nothing is rounded to the level's own pixels on
the way. Two steps: the mean over blocks of whole pixels takes most of the reduction without aliasing, and a linear
interpolation at the true positions does the rest. Where both scales agree and the grids coincide, pixels are copied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.backends.base import RGB

ReadLevel = Callable[[int, int, int, int, int], RGB]

# A level this much coarser than asked for still counts as fine enough: its interpolation loses less than the codec did,
# and the next finer level costs four to sixteen times as much.
_LEVEL_SLACK = 1.01

_SNAP = 1e-6


def best_level(grids: Sequence[PixelGrid], spacing_um: tuple[float, float]) -> int:
    """The coarsest level that is at least as fine as `spacing_um` on both axes (within 1 %); else the finest."""
    fitting = [
        level
        for level, grid in enumerate(grids)
        if all(have <= want * _LEVEL_SLACK for have, want in zip(grid.spacing_um, spacing_um, strict=True))
    ]
    return max(fitting, default=0)


def resample(read: ReadLevel, grids: Sequence[PixelGrid], target: PixelGrid) -> RGB:
    """Read what `target` covers and bring it to the target's pixels.

    Parameters
    ----------
    read : callable
        ``(level, y, x, height, width)`` in level pixels to RGB, white outside.
    grids : sequence of PixelGrid
        Of the levels, highest resolution first.
    target : PixelGrid
        The pixels wanted.

    Returns
    -------
    ndarray
        (rows, columns, 3) uint8.
    """
    level = best_level(grids, target.spacing_um)
    axes = [_Axis.of(grids[level], target, axis) for axis in (0, 1)]
    window = read(level, axes[0].start, axes[1].start, axes[0].length, axes[1].length)
    return _to_target(window, axes[0], axes[1], target.shape)


class _Axis:
    """One axis of the way from level pixels to target pixels.

    Attributes
    ----------
    start, length : int
        The level pixels to read.
    block : int
        Level pixels whose mean makes one intermediate pixel.
    offset, step : float
        Edge of the first target pixel and size of a target pixel, both in intermediate pixels from `start`.
    """

    def __init__(self, first: float, scale: float, count: int) -> None:
        self.block = max(1, round(scale))
        self.step = scale / self.block
        near = round(first)
        aligned = abs(first - near) < _SNAP and abs(self.step - 1) * count < _SNAP
        margin = 0 if aligned else 2
        self.start = (near if aligned else math.floor(first)) - margin * self.block
        self.offset = float(margin) if aligned else (first - self.start) / self.block
        blocks = count if aligned else math.ceil(self.offset + count * self.step) + 2
        self.length = blocks * self.block
        self.copies = aligned

    @classmethod
    def of(cls, level: PixelGrid, target: PixelGrid, axis: int) -> _Axis:
        spacing = level.spacing_um[axis]
        first = (target.origin_um[axis] - level.origin_um[axis]) / spacing
        return cls(first, target.spacing_um[axis] / spacing, target.shape[axis])


def _to_target(window: RGB, rows: _Axis, columns: _Axis, shape: tuple[int, int]) -> RGB:
    if rows.block > 1 or columns.block > 1:
        size = (columns.length // columns.block, rows.length // rows.block)
        window = np.asarray(cv2.resize(window, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    if rows.copies and columns.copies:
        return window
    # cv2 places pixel centres at whole numbers, the grid at halves.
    matrix = np.array(
        [
            [columns.step, 0.0, columns.offset + columns.step / 2 - 0.5],
            [0.0, rows.step, rows.offset + rows.step / 2 - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out = cv2.warpAffine(window, matrix, shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, dtype=np.uint8)
