"""Which stored tiles a grid's tiles are made of, and how.

A tile of the grid is put together from the stored tiles that it touches. Where the reduction to the grid's scale
divides the stored tiles, each of those is reduced right after it is decoded, while it is in the processor's cache, and
only a quarter of its pixels (at half the scale) is copied; else the tile is put together at the level's scale and
reduced then. Both give the same pixels, for blocks are anchored at the level's origin.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.backends.base import RGB, LevelShape
from napari_mmlnb.slides.decoded_tiles import block_mean
from napari_mmlnb.slides.paste_table import AxisPieces, PasteTable, Piece
from napari_mmlnb.slides.resample import AxisPlan, best_level, interpolate
from napari_mmlnb.slides.tile_grid import TileGrid


class TilePlan:
    """How the tiles of a grid are read from one level of a slide.

    Parameters
    ----------
    levels : sequence of LevelShape
        The file's.
    grids : sequence of PixelGrid
        Where they lie.
    tiles : TileGrid
        The tiles wanted.
    reductions : callable or sequence
        By which factors the level's tiles can be reduced while decoding.
    in_decoder : bool
        Whether the decoder may reduce (in the DCT domain), instead of the mean over blocks.

    Attributes
    ----------
    level : int
        The level of the file that is read.
    decoder_reduction : int
        What the decoder is asked to reduce by.
    stored_shape : tuple of int
        Rows and columns of a stored tile as it is copied from.
    window_shape : tuple of int
        Rows and columns of the pixels that are put together before the last step.
    """

    def __init__(
        self,
        levels: Sequence[LevelShape],
        grids: Sequence[PixelGrid],
        tiles: TileGrid,
        reductions: Sequence[Sequence[int]],
        *,
        in_decoder: bool = False,
    ) -> None:
        self.tiles = tiles
        self.level = best_level(grids, (tiles.um_per_px, tiles.um_per_px))
        self._shape = levels[self.level]
        grid = grids[self.level]
        used = [np.unique(tiles.cells[:, axis]).tolist() for axis in (0, 1)]
        plans = [{index: _axis_plan(tiles, grid, axis, index) for index in used[axis]} for axis in (0, 1)]
        stored = (self._shape.tile_height, self._shape.tile_width)
        blocks = tuple(next((plan.block for plan in axis.values()), 1) for axis in plans)
        self._early = all(
            side % block == 0 and all(plan.anchored for plan in axis.values())
            for side, block, axis in zip(stored, blocks, plans, strict=True)
        )
        self._block = (blocks[0], blocks[1])
        self.decoder_reduction = self._in_decoder(reductions[self.level]) if in_decoder and self._early else 1
        shrink = self._block if self._early else (1, 1)
        self._left_to_reduce = (shrink[0] // self.decoder_reduction, shrink[1] // self.decoder_reduction)
        self.stored_shape = (stored[0] // shrink[0], stored[1] // shrink[1])
        self._axes = plans
        self.window_shape = (
            max((plan.length // shrink[0] for plan in plans[0].values()), default=tiles.tile_px),
            max((plan.length // shrink[1] for plan in plans[1].values()), default=tiles.tile_px),
        )
        limits = (-(-self._shape.height // shrink[0]), -(-self._shape.width // shrink[1]))
        self._pieces = tuple(
            AxisPieces(
                {
                    index: _pieces(
                        plan.start // shrink[axis], plan.length // shrink[axis], self.stored_shape[axis], limits[axis]
                    )
                    for index, plan in plans[axis].items()
                },
                self.window_shape[axis],
            )
            for axis in (0, 1)
        )
        self.copies = self._early and all(plan.copies for axis in plans for plan in axis.values())
        """Whether windows are the tiles themselves."""

    def pieces(self, index: int) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
        """The stored tiles that grid tile `index` needs: those of its rows, and of its columns."""
        row, column = self.tiles.cells[index].tolist()
        return self._pieces[0][row], self._pieces[1][column]

    def inside(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Whether the pieces fill the window of each grid tile, so that nothing of it lies beyond the level, (n,)."""
        cells = self._cells(indices)
        return self._pieces[0].fills(cells[:, 0]) & self._pieces[1].fills(cells[:, 1])

    def pastes(self, indices: npt.NDArray[np.int64], batch: int) -> list[PasteTable]:
        """Which stored tiles each batch of so many grid tiles needs, and where their parts go."""
        return PasteTable.of_batches(self._pieces[0], self._pieces[1], self._cells(indices), batch)

    def uses(self, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """How many of the tiles in `order` need each stored tile of the level, (rows, columns) int32."""
        shape = self._shape.tiles
        change = np.zeros((shape[0] + 1, shape[1] + 1), dtype=np.int32)
        cells = self._cells(order)
        (top, bottom), (left, right) = (self._pieces[axis].spans(cells[:, axis]) for axis in (0, 1))
        for row, column, sign in ((top, left, 1), (bottom, left, -1), (top, right, -1), (bottom, right, 1)):
            np.add.at(change, (row, column), sign)
        return change.cumsum(axis=0).cumsum(axis=1)[:-1, :-1].astype(np.int32)

    @property
    def decoded_shape(self) -> tuple[int, int, int]:
        """Of a stored tile as the decoder gives it."""
        shape, factor = self._shape, self.decoder_reduction
        return shape.tile_height // factor, shape.tile_width // factor, 3

    @property
    def reduces(self) -> bool:
        """Whether stored tiles are still to be reduced once they are decoded."""
        return self._left_to_reduce != (1, 1)

    def reduced(self, decoded: RGB, out: RGB | None = None) -> RGB:
        """A stored tile as the decoder gave it, brought to `stored_shape`; in `out` where it is to be reduced."""
        return block_mean(decoded, self._left_to_reduce, out)

    def finish(self, index: int, window: RGB) -> RGB:
        """A window of pixels to grid tile `index`, (tile_px, tile_px, 3)."""
        row, column = self.tiles.cells[index].tolist()
        rows, columns = self._axes[0][row], self._axes[1][column]
        shrink = self._block if self._early else (1, 1)
        window = window[: rows.length // shrink[0], : columns.length // shrink[1]]
        if not self._early:
            window = block_mean(np.ascontiguousarray(window), self._block)
        side = self.tiles.tile_px
        return interpolate(window, rows, columns, (side, side))

    def _cells(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return self.tiles.cells[np.asarray(indices, dtype=np.int64)].astype(np.int64)

    def _in_decoder(self, reductions: Sequence[int]) -> int:
        return max(factor for factor in reductions if all(block % factor == 0 for block in self._block))


def _axis_plan(tiles: TileGrid, level: PixelGrid, axis: int, index: int) -> AxisPlan:
    origin = tiles.grid.origin_um[axis] + index * tiles.grid.spacing_um[axis]
    line = PixelGrid((tiles.tile_px, tiles.tile_px), (tiles.um_per_px, tiles.um_per_px), (origin, origin))
    return AxisPlan.between(level, line, axis)


def _pieces(start: int, length: int, side: int, limit: int) -> tuple[Piece, ...]:
    """What stored tiles of `side` pixels, of a level of `limit` pixels, give of the pixels from `start`."""
    first, last = max(start, 0), min(start + length, limit)
    return tuple(
        Piece(
            stored,
            slice(max(first, stored * side) - start, min(last, (stored + 1) * side) - start),
            slice(max(first, stored * side) - stored * side, min(last, (stored + 1) * side) - stored * side),
        )
        for stored in range(first // side, -(-last // side) if last > first else first // side)
    )
