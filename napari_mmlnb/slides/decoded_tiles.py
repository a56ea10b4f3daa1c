"""The stored tiles of a slide, decoded once while the cache has room for them, and windows put together from them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

import cv2
import numpy as np

from napari_mmlnb.errors import TileReadError
from napari_mmlnb.slides.backends.base import RGB, SlideReader
from napari_mmlnb.slides.tile_cache import TileCache

Key = tuple[int, int, int, int]
"""Level, row, column and reduction of a tile."""

OnDamage = Callable[[int, int, int], None]


class DecodedTiles:
    """Decoded tiles of an open slide, shared by the viewer and by readers of tiles; safe from several threads.

    Parameters
    ----------
    reader : SlideReader
        Where they come from.
    cache : TileCache
        Where they are kept.
    """

    def __init__(self, reader: SlideReader, cache: TileCache) -> None:
        self.cache = cache
        self.levels = reader.metadata.levels
        self.reader = reader
        self._lock = threading.Lock()
        self._making: dict[Key, Future[RGB]] = {}

    def reductions(self, level: int) -> tuple[int, ...]:
        """By which factors a tile of this level can be reduced while it is decoded."""
        return self.reader.reductions(level)

    def tile(
        self, level: int, row: int, column: int, reduce: int = 1, *, keep: bool = True, out: RGB | None = None
    ) -> RGB:
        """One tile, (tile height // reduce, tile width // reduce, 3) uint8, not to be written to; white past the edge.

        Two threads that ask for the same tile at the same time decode it once.

        Parameters
        ----------
        level, row, column : int
            Which; inside the level.
        reduce : int
            One of `reductions(level)`.
        keep : bool
            Whether it is kept in the cache; a reader that asks once for each tile would only drive out the viewer's.
        out : ndarray, optional
            Of the tile's shape; where it is not to be kept the pixels may be put there.

        Raises
        ------
        TileReadError
            If it cannot be decoded.
        """
        key = (level, row, column, reduce)
        cached = self.cache.get(key)
        if cached is not None:
            return cached
        if not keep:
            return self._decode(key, out)
        with self._lock:
            cached = self.cache.get(key)  # it may have been finished since
            if cached is not None:
                return cached
            made = self._making.get(key)
            if made is None:
                mine: Future[RGB] = Future()
                self._making[key] = mine
        if made is not None:
            return made.result()
        try:
            pixels = self._decode(key)
            self.cache.put(key, pixels)
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(pixels)
            return pixels
        finally:
            with self._lock:
                del self._making[key]

    def window(
        self,
        level: int,
        y: int,
        x: int,
        height: int,
        width: int,
        reduce: int = 1,
        on_damage: OnDamage | None = None,
        out: RGB | None = None,
    ) -> RGB:
        """A rectangle of a level, (height, width, 3) uint8; white outside the level.

        Parameters
        ----------
        level : int
            Of the file.
        y, x, height, width : int
            In pixels of the level, or of the level reduced by `reduce`.
        reduce : int
            One of `reductions(level)`.
        on_damage : callable, optional
            Called with level, row and column of each tile that cannot be decoded; it is drawn as a pattern.
        out : ndarray, optional
            (height, width, 3) uint8; where to put it. A new array by default.

        Raises
        ------
        TileReadError
            If any part cannot be decoded and nobody asked to be told.
        """
        shape = self.levels[level]
        th, tw = shape.tile_height // reduce, shape.tile_width // reduce
        y0, x0 = max(y, 0), max(x, 0)
        y1, x1 = min(y + height, -(-shape.height // reduce)), min(x + width, -(-shape.width // reduce))
        inside = (y0, x0, y1, x1) == (y, x, y + height, x + width)
        out = np.empty((height, width, 3), np.uint8) if out is None else out
        if not inside:
            out[:] = 255
        if y1 <= y0 or x1 <= x0:
            return out
        for row in range(y0 // th, -(-y1 // th)):
            for column in range(x0 // tw, -(-x1 // tw)):
                tile = self._tile_or_pattern(level, row, column, reduce, on_damage)
                top, left = row * th, column * tw
                ya, yb = max(y0, top), min(y1, top + th)
                xa, xb = max(x0, left), min(x1, left + tw)
                out[ya - y : yb - y, xa - x : xb - x] = tile[ya - top : yb - top, xa - left : xb - left]
        return out

    def _tile_or_pattern(self, level: int, row: int, column: int, reduce: int, on_damage: OnDamage | None) -> RGB:
        try:
            return self.tile(level, row, column, reduce)
        except TileReadError:
            if on_damage is None:
                raise
            on_damage(level, row, column)
            shape = self.levels[level]
            return damage_pattern(shape.tile_height // reduce, shape.tile_width // reduce)

    def _decode(self, key: Key, out: RGB | None = None) -> RGB:
        level, row, column, reduce = key
        shape = self.levels[level]
        bottom, right = shape.height - row * shape.tile_height, shape.width - column * shape.tile_width
        if bottom >= shape.tile_height and right >= shape.tile_width:
            return self.reader.read_tile(level, row, column, reduce, out)
        # Past the edge there may be anything, often black: a decoder that reduces would mix it into the last pixels.
        pixels = self.reader.read_tile(level, row, column, 1, out if reduce == 1 else None)
        pixels = pixels if pixels.flags.writeable else pixels.copy()
        pixels[bottom:] = 255
        pixels[:, right:] = 255
        return block_mean(pixels, (reduce, reduce))


def damage_pattern(height: int, width: int) -> RGB:
    """What is drawn where a tile cannot be decoded: grey with dark diagonal stripes, unlike any tissue; (h, w, 3)."""
    stripe = (np.add.outer(np.arange(height), np.arange(width)) // 12) % 3 == 0
    pattern = np.where(stripe[..., None], np.uint8(70), np.uint8(150))
    return np.repeat(pattern, 3, axis=-1)


def block_mean(pixels: RGB, block: tuple[int, int], out: RGB | None = None) -> RGB:
    """Means over blocks of (rows, columns) whole pixels, rounded to the nearest grey level; the sides must divide.

    Where `out` is given they are put there, unless a block is one pixel.
    """
    if block == (1, 1):
        return pixels
    size = (pixels.shape[1] // block[1], pixels.shape[0] // block[0])
    return np.asarray(cv2.resize(pixels, size, dst=out, interpolation=cv2.INTER_AREA), dtype=np.uint8)
