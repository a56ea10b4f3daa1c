"""At which scales a slide is shown: the levels of its file, and computed ones between them and after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.backends.base import LevelShape

CHUNK_PX = 512
"""About how large a chunk is: a whole number of stored tiles, so that none is decoded for two chunks."""
COARSEST_PX = 2000
"""The coarsest level is smaller than this on both sides."""
LARGEST_STEP = 3.0
"""Where the next level of a file is more than this many times coarser, levels are computed between them."""

Chunk = tuple[int, int, int]
"""Level of the pyramid, row and column of the chunk."""


@dataclass(frozen=True)
class PyramidLevel:
    """A level of a pyramid: one of the file's, or one computed from it.

    Parameters
    ----------
    grid : PixelGrid
        Where it lies.
    source : int
        The level of the file that it is made of.
    reduce : int
        How many pixels of that level make one of this, along each axis; 1 for the file's own.
    chunk : tuple of int
        Rows and columns of a chunk.
    """

    grid: PixelGrid
    source: int
    reduce: int
    chunk: tuple[int, int]

    @property
    def chunks(self) -> tuple[int, int]:
        """Rows and columns of chunks."""
        return -(-self.grid.shape[0] // self.chunk[0]), -(-self.grid.shape[1] // self.chunk[1])


def pyramid_levels(shapes: Sequence[LevelShape], grids: Sequence[PixelGrid]) -> tuple[PyramidLevel, ...]:
    """The file's levels, and computed ones, each with pixels exactly twice as large as the one before.

    Between two of the file's where they are more than `LARGEST_STEP` apart, and after the last until one is small.
    """
    levels: list[PyramidLevel] = []
    for source, (shape, grid) in enumerate(zip(shapes, grids, strict=True)):
        chunk = (_chunk_side(shape.tile_height), _chunk_side(shape.tile_width))
        levels.append(PyramidLevel(grid, source, 1, chunk))
        following = grids[source + 1] if source + 1 < len(grids) else None
        while _too_large(levels[-1].grid, following):
            levels.append(_half(levels[-1], grid))
    return tuple(levels)


def _too_large(grid: PixelGrid, following: PixelGrid | None) -> bool:
    if following is None:
        return max(grid.shape) >= COARSEST_PX
    return max(b / a for a, b in zip(grid.spacing_um, following.spacing_um, strict=True)) > LARGEST_STEP


def _half(level: PyramidLevel, of: PixelGrid) -> PyramidLevel:
    (h, w), (sy, sx) = level.grid.shape, level.grid.spacing_um
    half = PixelGrid(((h + 1) // 2, (w + 1) // 2), (2 * sy, 2 * sx), of.origin_um)
    return PyramidLevel(half, level.source, 2 * level.reduce, level.chunk)


def _chunk_side(tile: int) -> int:
    """A multiple of the tile's side, near to `CHUNK_PX`, and even, so that two by two pixels lie in one chunk."""
    side = tile * max(1, round(CHUNK_PX / tile))
    return side if side % 2 == 0 else 2 * side
