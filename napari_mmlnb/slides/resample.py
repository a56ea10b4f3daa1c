"""Pixels of a level brought to another scale, exact to a fraction of a pixel.

The output's pixel ``i`` covers ``[origin + i s, origin + (i + 1) s)``; nothing is rounded to the level's own pixels on
the way. Two steps: the mean over blocks of whole pixels takes most of the reduction without aliasing, and a linear
interpolation at the true positions does the rest. Where both scales agree and the grids coincide, pixels are copied.

Blocks are anchored at the level's origin, so that they can be taken tile by tile where a tile is decoded, unless the
target's own pixels are whole numbers of the level's and begin elsewhere: then at the target's, and nothing is
interpolated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.decoded_tiles import block_mean

ReadLevel = Callable[[int, int, int, int, int], RGB]

# A level this much coarser than asked for still counts as fine enough: its interpolation loses less than the codec did,
# and the next finer level costs four to sixteen times as much.
_LEVEL_SLACK = 1.01

_SNAP = 1e-6
_MARGIN = 2


def best_level(grids: Sequence[PixelGrid], spacing_um: tuple[float, float]) -> int:
    """The coarsest level that is at least as fine as `spacing_um` on both axes (within 1 %); else the finest."""
    fitting = [
        level
        for level, grid in enumerate(grids)
        if all(have <= want * _LEVEL_SLACK for have, want in zip(grid.spacing_um, spacing_um, strict=True))
    ]
    return max(fitting, default=0)


@dataclass(frozen=True)
class AxisPlan:
    """One axis of the way from level pixels to target pixels.

    Parameters
    ----------
    block : int
        Level pixels whose mean makes one intermediate pixel.
    start : int
        The first level pixel to read.
    length : int
        Level pixels to read, a multiple of `block`.
    offset, step : float
        Edge of the first target pixel and size of a target pixel, both in intermediate pixels from `start`.
    copies : bool
        Whether intermediate pixels are the target's.
    """

    block: int
    start: int
    length: int
    offset: float
    step: float
    copies: bool

    @property
    def anchored(self) -> bool:
        """Whether the blocks are those that begin at the level's origin."""
        return self.start % self.block == 0

    @classmethod
    def between(cls, level: PixelGrid, target: PixelGrid, axis: int) -> AxisPlan:
        """What to read of `level` for `target` along an axis (0 for rows, 1 for columns)."""
        spacing, count = level.spacing_um[axis], target.shape[axis]
        first = (target.origin_um[axis] - level.origin_um[axis]) / spacing
        scale = target.spacing_um[axis] / spacing
        block = max(1, round(scale))
        step = scale / block
        if abs(first - round(first)) < _SNAP and abs(step - 1) * count < _SNAP:
            return cls(block, round(first), count * block, 0.0, step, copies=True)
        start = math.floor(first / block) - _MARGIN
        offset = first / block - start
        blocks = math.ceil(offset + count * step) + _MARGIN
        return cls(block, start * block, blocks * block, offset, step, copies=False)


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
    rows, columns = (AxisPlan.between(grids[level], target, axis) for axis in (0, 1))
    window = read(level, rows.start, columns.start, rows.length, columns.length)
    return interpolate(block_mean(window, (rows.block, columns.block)), rows, columns, target.shape)


def interpolate(intermediate: RGB, rows: AxisPlan, columns: AxisPlan, shape: tuple[int, int]) -> RGB:
    """Intermediate pixels, (h, w, 3), to the target's, (rows, columns, 3) of `shape`; the same where they coincide."""
    if rows.copies and columns.copies:
        return intermediate
    # cv2 places pixel centres at whole numbers, the grid at halves.
    matrix = np.array(
        [
            [columns.step, 0.0, columns.offset + columns.step / 2 - 0.5],
            [0.0, rows.step, rows.offset + rows.step / 2 - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out = cv2.warpAffine(intermediate, matrix, shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, dtype=np.uint8)
