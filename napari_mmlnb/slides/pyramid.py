"""A slide at every scale that a viewer needs.

The levels are the file's, and computed ones between them and after them, so that each is at most about twice as fine as
the next. A viewer that needs a scale between two levels then reads at most four times the pixels that it shows, and the
coarsest, which it reads whole, is small. They are read as rectangles, or as lazy zarr arrays
(`napari_mmlnb.slides.pyramid_store`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import cached_property
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from napari_mmlnb.errors import TileReadError
from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.buffers import mapped_array
from napari_mmlnb.slides.damage import DamageLog
from napari_mmlnb.slides.decode_pool import DecodePool, Priority
from napari_mmlnb.slides.decoded_tiles import DecodedTiles
from napari_mmlnb.slides.pyramid_levels import Chunk, PyramidLevel, pyramid_levels
from napari_mmlnb.slides.read_ahead import ReadAhead

if TYPE_CHECKING:
    import zarr

Part = tuple[int, int, int, int]
"""Row and column of a corner, height and width, in pixels of a level."""


class Pyramid:
    """The levels of a slide.

    Parameters
    ----------
    tiles : DecodedTiles
        The slide's stored tiles.
    grids : sequence of PixelGrid
        Of the file's levels, highest resolution first.
    pool : DecodePool
        Threads to decode in.
    damage : DamageLog
        Where tiles that cannot be decoded are noted.
    colour : callable, optional
        RGB to RGB of the same shape, applied to what is shown (an ICC transform); the pixels as stored by default.

    Attributes
    ----------
    levels : tuple of PyramidLevel
        The file's and the computed ones, highest resolution first.
    """

    def __init__(
        self,
        tiles: DecodedTiles,
        grids: Sequence[PixelGrid],
        pool: DecodePool,
        damage: DamageLog,
        colour: Callable[[RGB], RGB] | None = None,
    ) -> None:
        self.levels = pyramid_levels(tiles.levels, grids)
        self._tiles = tiles
        self._damage = damage
        self._colour = colour
        self._pool = pool
        self._ahead = ReadAhead(pool, self._fetch, [level.chunks for level in self.levels])

    @cached_property
    def arrays(self) -> tuple[zarr.Array[Any], ...]:
        """The levels as zarr arrays, (h, w, 3) uint8 each, read-only; stripes where something cannot be decoded."""
        import zarr  # noqa: PLC0415 (it costs a third of a second, and viewers do without it)

        from napari_mmlnb.slides.pyramid_store import PyramidStore  # noqa: PLC0415

        store = PyramidStore(self._wanted, self.levels, self._pool)
        return tuple(
            zarr.open_array(store, path=str(level), mode="r", zarr_format=3) for level in range(len(self.levels))
        )

    @property
    def grids(self) -> tuple[PixelGrid, ...]:
        """Where each array lies."""
        return tuple(level.grid for level in self.levels)

    def step_px(self, index: int) -> tuple[int, int]:
        """Rows and columns of a level that one stored tile makes: the least that can be decoded."""
        level = self.levels[index]
        shape = self._tiles.levels[level.source]
        return max(1, shape.tile_height // level.reduce), max(1, shape.tile_width // level.reduce)

    def read(self, index: int, y: int, x: int, height: int, width: int) -> RGB:
        """A rectangle of a level, (height, width, 3) uint8, for somebody who waits at a screen.

        The same pixels as in `arrays`, without what zarr costs on the way: chunks that have to be decoded go to the
        decoding threads, most urgent of all, and what is already there is copied meanwhile.

        Parameters
        ----------
        index : int
            Which level.
        y, x, height, width : int
            In pixels of the level, inside it.
        """
        rows, columns = self.levels[index].chunk
        out = mapped_array((height, width, 3))
        waiting, chunks = [], []
        for row in range(y // rows, -(-(y + height) // rows)):
            for column in range(x // columns, -(-(x + width) // columns)):
                chunk = (index, row, column)
                top, left = max(y, row * rows), max(x, column * columns)
                bottom, right = min(y + height, (row + 1) * rows), min(x + width, (column + 1) * columns)
                part = (top, left, bottom - top, right - left)
                target = out[top - y : bottom - y, left - x : right - x]
                if self._is_made(chunk, part):
                    self._put(chunk, part, target)
                else:
                    waiting.append(self._ask(chunk, part, target))
                chunks.append(chunk)
        for asked in waiting:
            asked.result()
        for chunk in chunks:  # only now, or a neighbour would be begun before the last of what is waited for
            self._ahead.note(chunk)
        return out

    def close(self) -> None:
        """Fetch nothing ahead any more; arrays of this pyramid must not be read from now on."""
        self._ahead.close()

    def _wanted(self, chunk: Chunk) -> RGB:
        """A chunk that somebody waits for; its neighbours may be fetched next."""
        pixels = self._chunk(chunk)
        self._ahead.note(chunk)
        return pixels

    def _fetch(self, chunk: Chunk) -> None:
        """Leave a chunk, or the tiles that it is put together from, in the cache."""
        index, row, column = chunk
        level = self.levels[index]
        if not self._stored(level):
            self._chunk(chunk)
            return
        (rows, columns), (height, width) = level.chunk, level.grid.shape
        top, left = row * rows, column * columns
        for tile in self._tiles_of(level, (top, left, min(rows, height - top), min(columns, width - left))):
            try:
                self._tiles.tile(level.source, *tile, level.reduce)
            except TileReadError:
                self._damage.add(level.source, *tile)

    def _stored(self, level: PyramidLevel) -> bool:
        """Whether its pixels are those of the file's tiles, which are kept as they are."""
        return self._colour is None and level.reduce in self._tiles.reductions(level.source)

    def _ask(self, chunk: Chunk, part: Part, target: RGB) -> Future[None]:
        """Have a part of a chunk decoded.

        Raises
        ------
        SlideReadError
            If the slide has been closed meanwhile.
        """
        try:
            return self._pool.submit(Priority.VIEWPORT, self._put, chunk, part, target)
        except RuntimeError:  # the pool is closed, and with it the reader, which says so with the slide's name
            done: Future[None] = Future()
            self._put(chunk, part, target)
            done.set_result(None)
            return done

    def _is_made(self, chunk: Chunk, part: Part) -> bool:
        """Whether nothing has to be decoded for that part of a chunk."""
        level = self.levels[chunk[0]]
        if not self._stored(level):
            return ("chunk", self._colour is None, *chunk) in self._tiles.cache
        return all((level.source, *tile, level.reduce) in self._tiles.cache for tile in self._tiles_of(level, part))

    def _tiles_of(self, level: PyramidLevel, part: Part) -> Iterator[tuple[int, int]]:
        """Row and column of the stored tiles that a part of a level is put together from."""
        shape, (y, x, height, width) = self._tiles.levels[level.source], part
        th, tw = shape.tile_height // level.reduce, shape.tile_width // level.reduce
        for row in range(y // th, -(-(y + height) // th)):
            for column in range(x // tw, -(-(x + width) // tw)):
                yield row, column

    def _put(self, chunk: Chunk, part: Part, target: RGB) -> None:
        """Write a part of a chunk, given in pixels of its level, to where somebody wants it."""
        level = self.levels[chunk[0]]
        if self._stored(level):
            self._tiles.window(level.source, *part, level.reduce, self._damage.add, target)
            return
        y, x, height, width = part
        top, left = y - chunk[1] * level.chunk[0], x - chunk[2] * level.chunk[1]
        target[:] = self._chunk(chunk)[top : top + height, left : left + width]

    def _chunk(self, chunk: Chunk) -> RGB:
        """The pixels of a chunk, (rows, columns, 3), white beyond the edge."""
        index, row, column = chunk
        level = self.levels[index]
        if self._stored(level):
            return self._from_tiles(level, row, column)
        key = ("chunk", self._colour is None, *chunk)
        cached = self._tiles.cache.get(key)
        if cached is None:
            cached = self._made(index, row, column)
            if not self._is_damaged(level, row, column):  # what failed may be there again at the next look
                self._tiles.cache.put(key, cached)
        return cached

    def _is_damaged(self, level: PyramidLevel, row: int, column: int) -> bool:
        """Whether a tile that a chunk is made of could not be decoded."""
        shape, (h, w) = self._tiles.levels[level.source], (level.chunk[0] * level.reduce, level.chunk[1] * level.reduce)
        rows = range(row * h // shape.tile_height, -(-(row + 1) * h // shape.tile_height))
        columns = range(column * w // shape.tile_width, -(-(column + 1) * w // shape.tile_width))
        return self._damage.touches(level.source, rows, columns)

    def _made(self, index: int, row: int, column: int) -> RGB:
        level = self.levels[index]
        if level.reduce in self._tiles.reductions(level.source):
            pixels = self._from_tiles(level, row, column)
        else:
            return self._from_finer(index, row, column)
        return pixels if self._colour is None else self._colour(pixels)

    def _from_tiles(self, level: PyramidLevel, row: int, column: int) -> RGB:
        (h, w) = level.chunk
        return self._tiles.window(level.source, row * h, column * w, h, w, level.reduce, self._damage.add)

    def _from_finer(self, index: int, row: int, column: int) -> RGB:
        """The mean of 2 x 2 pixels of the next finer level; a last odd one stands for the pair."""
        finer_level, (rows, columns) = self.levels[index - 1], self.levels[index].chunk
        (height, width), (fh, fw) = finer_level.grid.shape, finer_level.chunk
        top, left = 2 * row * rows, 2 * column * columns
        bottom, right = min(top + 2 * rows, height), min(left + 2 * columns, width)
        out = np.full((rows, columns, 3), 255, dtype=np.uint8)
        for r in range(top // fh, -(-bottom // fh)):
            for c in range(left // fw, -(-right // fw)):
                h, w = min(fh, bottom - r * fh), min(fw, right - c * fw)
                finer = self._chunk((index - 1, r, c))[:h, :w]
                even = cv2.copyMakeBorder(finer, 0, h % 2, 0, w % 2, cv2.BORDER_REPLICATE)
                small = cv2.resize(even, ((w + 1) // 2, (h + 1) // 2), interpolation=cv2.INTER_AREA)
                y, x = (r * fh - top) // 2, (c * fw - left) // 2
                out[y : y + small.shape[0], x : x + small.shape[1]] = small
        return out
