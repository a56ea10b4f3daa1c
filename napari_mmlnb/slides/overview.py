"""The whole slide at a coarse scale, each stored tile decoded once, in the slide's decoding threads.

A tile is reduced right after it is decoded, by the decoder itself where it can (a JPEG tile at an eighth of its size
costs a fraction), and only what is left of it is kept: so no level is ever in memory at once, and nothing is driven out
of the slide's cache. What the tiles leave is brought to the wanted scale in one step at the end.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_mmlnb.errors import SlideReadError, TileReadError
from napari_mmlnb.geometry import PixelGrid, Region
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.damage import DamageLog
from napari_mmlnb.slides.decode_pool import DecodePool, Priority
from napari_mmlnb.slides.decoded_tiles import DecodedTiles, block_mean
from napari_mmlnb.slides.location import Location
from napari_mmlnb.slides.resample import AxisPlan, best_level, interpolate

Mask = npt.NDArray[np.bool_]

# Tiles that a thread decodes before it looks whether something more urgent waits: a few milliseconds.
_TILES_A_TASK = 8
_TASKS_AHEAD = 4

# How far the last step may be from 1: a smaller one would blur, a larger one leave pixels out.
_SMALLEST_STEP, _LARGEST_STEP = 0.83, 1.67

_CHEQUER = (96, 160)


class ReadsTiles(Protocol):
    """What an overview needs of a slide."""

    path: Location
    grids: tuple[PixelGrid, ...]
    tiles: DecodedTiles
    pool: DecodePool
    damage: DamageLog


@dataclass(frozen=True)
class Overview:
    """The whole slide at one scale.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8; a grey chequer where nothing could be decoded.
    readable : ndarray
        (h, w) bool; where `rgb` is the slide's.
    grid : PixelGrid
        Where it lies; its origin is the slide's, and its last pixels may reach over the edge, which is white.
    """

    rgb: RGB
    readable: Mask
    grid: PixelGrid


def read_overview(slide: ReadsTiles, um_per_px: float, within: Region | None = None) -> Overview:
    """Read the whole slide at `um_per_px`.

    Parameters
    ----------
    slide : Slide
        The slide. Stored tiles that cannot be decoded are noted in its damage log.
    um_per_px : float
        Of the result, both axes, micrometres.
    within : Region, optional
        Read only the stored tiles that touch it and leave the rest white; all by default.

    Raises
    ------
    SlideReadError
        If nothing of it can be decoded, or the slide has been closed.
    """
    extent = slide.grids[0].region
    shape = (_pixels(extent.height, um_per_px), _pixels(extent.width, um_per_px))
    grid = PixelGrid(shape, (um_per_px, um_per_px))
    plan = _Plan.between(slide, grid)
    canvas: _Means | _Sums = _Means(plan) if plan.divides else _Sums(plan)
    tiles = plan.tiles(extent if within is None else within)
    failures = _decode(slide, plan, canvas, tiles)
    if failures and len(failures) == len(tiles):
        error = SlideReadError(slide.path, "Nothing of the slide can be decoded.", "Copy it again.")
        raise error from next(iter(failures.values()))
    rows, columns = plan.axes
    pixels = canvas.pixels()[: rows.length // rows.block, : columns.length // columns.block]
    rgb = interpolate(np.ascontiguousarray(pixels), rows, columns, shape)
    readable = np.ones(shape, dtype=np.bool_)
    for row, column in failures:
        slide.damage.add(plan.level, row, column)
        readable[grid.window(plan.region(row, column))] = False
    if failures:
        rgb = np.where(readable[..., None], rgb, _chequer(shape))
    return Overview(rgb, readable, grid)


@dataclass(frozen=True)
class _Plan:
    """From the stored tiles of a level to an overview.

    Parameters
    ----------
    level : int
        The level that is read.
    grid : PixelGrid
        Where it lies.
    tile : tuple of int
        Rows and columns of a stored tile.
    count : tuple of int
        Rows and columns of stored tiles.
    axes : tuple of AxisPlan
        Of rows and of columns, from the level's origin.
    reduce : int
        What the decoder reduces by.
    """

    level: int
    grid: PixelGrid
    tile: tuple[int, int]
    count: tuple[int, int]
    axes: tuple[AxisPlan, AxisPlan]
    reduce: int

    @classmethod
    def between(cls, slide: ReadsTiles, target: PixelGrid) -> _Plan:
        level = best_level(slide.grids, target.spacing_um)
        shape, grid = slide.tiles.levels[level], slide.grids[level]
        tile = (shape.tile_height, shape.tile_width)
        rows, columns = (_axis(grid, target, axis, side) for axis, side in enumerate(tile))
        divides = tile[0] % rows.block == 0 and tile[1] % columns.block == 0
        fitting = [r for r in slide.tiles.reductions(level) if rows.block % r == 0 and columns.block % r == 0]
        return cls(level, grid, tile, shape.tiles, (rows, columns), max(fitting) if divides else 1)

    @property
    def divides(self) -> bool:
        """Whether a stored tile holds whole blocks only."""
        return all(side % axis.block == 0 for side, axis in zip(self.tile, self.axes, strict=True))

    def region(self, row: int, column: int) -> Region:
        """What a stored tile covers."""
        y, x = self.grid.to_um((row * self.tile[0], column * self.tile[1]))
        return Region(float(y), float(x), *np.multiply(self.tile, self.grid.spacing_um).tolist())

    def tiles(self, within: Region) -> list[tuple[int, int]]:
        """Rows and columns of the stored tiles that touch a region, in the order of the file."""
        spans = zip(self.grid.window(within), self.tile, strict=True)
        rows, columns = (range(span.start // side, -(-span.stop // side)) for span, side in spans)
        return list(product(rows, columns))

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of the level's pixels that make one of the canvas."""
        return self.axes[0].block, self.axes[1].block

    @property
    def canvas_shape(self) -> tuple[int, int]:
        """Rows and columns of blocks: those that the last step asks for, and those that the stored tiles touch."""
        rows, columns = (
            max(axis.length // axis.block, -(-count * side // axis.block))
            for axis, count, side in zip(self.axes, self.count, self.tile, strict=True)
        )
        return rows, columns


class _Means:
    """Means over blocks where each stored tile holds whole ones; white where nothing was laid down."""

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan
        self._pixels = np.full((*plan.canvas_shape, 3), 255, dtype=np.uint8)

    def lay(self, row: int, column: int, tile: RGB) -> None:
        """Lay down a stored tile as the decoder gave it; from any thread."""
        again = (self._plan.block[0] // self._plan.reduce, self._plan.block[1] // self._plan.reduce)
        small = block_mean(tile, again)
        y, x = row * small.shape[0], column * small.shape[1]
        self._pixels[y : y + small.shape[0], x : x + small.shape[1]] = small

    def pixels(self) -> RGB:
        """(h, w, 3) uint8."""
        return self._pixels


class _Sums:
    """The same where blocks lie across the borders of stored tiles: sums of darkness, so that nothing is white."""

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan
        self._darkness = np.zeros((*plan.canvas_shape, 3), dtype=np.uint32)
        self._lock = threading.Lock()

    def lay(self, row: int, column: int, tile: RGB) -> None:
        """Lay down a stored tile; from any thread."""
        sums, y = _block_sums(255 - tile, row * self._plan.tile[0], self._plan.block[0], axis=0)
        sums, x = _block_sums(sums, column * self._plan.tile[1], self._plan.block[1], axis=1)
        with self._lock:  # whole numbers, so that the order does not matter
            self._darkness[y : y + sums.shape[0], x : x + sums.shape[1]] += sums

    def pixels(self) -> RGB:
        """(h, w, 3) uint8."""
        area = math.prod(self._plan.block)
        return (255 - (self._darkness + area // 2) // area).astype(np.uint8)


def _block_sums(
    values: npt.NDArray[np.unsignedinteger[Any]], start: int, block: int, axis: int
) -> tuple[npt.NDArray[np.uint32], int]:
    """Sums over the blocks that values from `start` on lie in, along an axis, and the index of the first block."""
    first, last = start // block, (start + values.shape[axis] - 1) // block
    edges = np.maximum(np.arange(first, last + 1) * block - start, 0)
    return np.add.reduceat(values, edges, axis=axis, dtype=np.uint32), first


def _axis(level: PixelGrid, target: PixelGrid, axis: int, side: int) -> AxisPlan:
    """Blocks along an axis whose size divides a stored tile's side, where one of about the right size does."""
    scale, count = target.spacing_um[axis] / level.spacing_um[axis], target.shape[axis]
    sizes = [n for n in range(1, int(scale / _SMALLEST_STEP) + 1) if side % n == 0 and scale / n < _LARGEST_STEP]
    block = min(sizes, key=lambda size: abs(math.log(scale / size)), default=max(1, round(scale)))
    step = scale / block
    copies = abs(step - 1) * count < 1e-6
    length = count if copies else math.ceil(count * step) + 1
    return AxisPlan(block, 0, length * block, 0.0, 1.0 if copies else step, copies)


def _decode(
    slide: ReadsTiles, plan: _Plan, canvas: _Means | _Sums, tiles: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], TileReadError]:
    """Lay all of these stored tiles down, in the slide's threads; those that cannot be decoded, with the reason."""
    failures: dict[tuple[int, int], TileReadError] = {}

    def decode(some: Sequence[tuple[int, int]]) -> None:
        for row, column in some:
            try:
                canvas.lay(row, column, slide.tiles.tile(plan.level, row, column, plan.reduce, keep=False))
            except TileReadError as error:
                failures[row, column] = error

    waiting: deque[Future[None]] = deque()
    try:
        for first in range(0, len(tiles), _TILES_A_TASK):
            waiting.append(slide.pool.submit(Priority.INFERENCE, decode, tiles[first : first + _TILES_A_TASK]))
            if len(waiting) > _TASKS_AHEAD * slide.pool.threads:
                waiting.popleft().result()
        while waiting:
            waiting.popleft().result()
    except RuntimeError as error:
        raise SlideReadError(slide.path, "The slide is closed.", "Open it again.") from error
    finally:
        for task in waiting:
            if not task.cancel():
                task.exception()
    return dict(sorted(failures.items()))


def _pixels(extent_um: float, um_per_px: float) -> int:
    return max(1, math.ceil(extent_um / um_per_px - 1e-6))


def _chequer(shape: tuple[int, int]) -> RGB:
    rows, columns = np.indices(shape) // 4
    dark = np.where((rows + columns) % 2, *_CHEQUER).astype(np.uint8)
    return np.repeat(dark[..., None], 3, axis=-1)
