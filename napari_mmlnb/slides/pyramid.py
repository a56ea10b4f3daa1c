"""A slide as lazy zarr arrays, for viewers.

`PyramidStore` is a read-only zarr 3 store that makes each chunk when it is asked for, in the slide's decoding threads,
so that zarr's event loop never waits for a decoder. `Pyramid` lays the levels out: the file's, and computed ones between
them and after them, so that each is at most about twice as fine as the next. A viewer that needs a scale between two
levels then reads at most four times the pixels that it shows, and the coarsest, which it reads whole, is small.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import cv2
import numpy as np
import zarr
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.backends.base import RGB, LevelShape
from napari_mmlnb.slides.damage import DamageLog
from napari_mmlnb.slides.decode_pool import DecodePool, Priority
from napari_mmlnb.slides.decoded_tiles import DecodedTiles
from napari_mmlnb.slides.read_ahead import ReadAhead

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


class Pyramid:
    """The levels of a slide as zarr arrays.

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
    arrays : tuple of zarr.Array
        (h, w, 3) uint8 each, read-only. What cannot be decoded is drawn as a pattern of stripes.
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
        self._ahead = ReadAhead(pool, self._fetch, [level.chunks for level in self.levels])
        self._store = PyramidStore(self._wanted, self.levels, pool)
        self.arrays: tuple[zarr.Array[Any], ...] = tuple(
            zarr.open_array(self._store, path=str(level), mode="r", zarr_format=3) for level in range(len(self.levels))
        )

    @property
    def grids(self) -> tuple[PixelGrid, ...]:
        """Where each array lies."""
        return tuple(level.grid for level in self.levels)

    def close(self) -> None:
        """Fetch nothing ahead any more; arrays of this pyramid must not be read from now on."""
        self._ahead.close()
        self._store.close()

    def _wanted(self, chunk: Chunk) -> RGB:
        """A chunk that somebody waits for; its neighbours may be fetched next."""
        pixels = self._chunk(chunk)
        self._ahead.note(chunk)
        return pixels

    def _fetch(self, chunk: Chunk) -> None:
        self._chunk(chunk)

    def _chunk(self, chunk: Chunk) -> RGB:
        """The pixels of a chunk, (rows, columns, 3), white beyond the edge."""
        index, row, column = chunk
        level = self.levels[index]
        stored = self._colour is None and level.reduce in self._tiles.reductions(level.source)
        if stored:
            return self._from_tiles(level, row, column)
        key = ("chunk", self._colour is None, *chunk)
        cached = self._tiles.cache.get(key)
        if cached is None:
            cached = self._made(index, row, column)
            self._tiles.cache.put(key, cached)
        return cached

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


class PyramidStore(Store):
    """A read-only zarr 3 store over a function that makes chunks.

    Parameters
    ----------
    chunk : callable
        A chunk's level, row and column to its pixels, of the level's chunk shape, uint8. What it raises reaches the
        reader: never an empty answer, which zarr would show as black.
    levels : sequence of PyramidLevel
        What to lay out.
    pool : DecodePool
        Where chunks are made; it stays open when the store is closed.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(self, chunk: Callable[[Chunk], RGB], levels: Sequence[PyramidLevel], pool: DecodePool) -> None:
        super().__init__(read_only=True)
        self._chunk = chunk
        self._documents = _documents(levels)
        self._counts = [level.chunks for level in levels]
        self._pool = pool

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """A document or a chunk; None for a key that does not exist."""
        document = self._documents.get(key)
        if document is not None:
            return prototype.buffer.from_bytes(_part(document, byte_range))
        place = self._place(key)
        if place is None:
            return None
        pixels = await asyncio.wrap_future(self._pool.submit(Priority.VIEWPORT, self._chunk, place))
        flat = np.ascontiguousarray(pixels).reshape(-1)
        if byte_range is None:
            return prototype.buffer.from_array_like(flat)
        return prototype.buffer.from_bytes(_part(flat.tobytes(), byte_range))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Several at once."""
        return await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges))

    async def exists(self, key: str) -> bool:
        """Whether there is such a document or chunk."""
        return key in self._documents or self._place(key) is not None

    async def list(self) -> AsyncIterator[str]:
        """All keys."""
        for key in self._documents:
            yield key
        for level, (rows, columns) in enumerate(self._counts):
            for row in range(rows):
                for column in range(columns):
                    yield f"{level}/c/{row}/{column}/0"

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """All keys that begin so."""
        async for key in self.list():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """The names directly below a prefix."""
        below = f"{prefix.rstrip('/')}/" if prefix else ""
        seen: set[str] = set()
        async for key in self.list_prefix(below):
            name = key[len(below) :].split("/", 1)[0]
            if name not in seen:
                seen.add(name)
                yield name

    async def set(self, key: str, value: Buffer) -> NoReturn:  # noqa: ARG002 (zarr's signature)
        """Refused: slides are never written to."""
        raise PermissionError("a slide is read-only")

    async def delete(self, key: str) -> NoReturn:  # noqa: ARG002 (zarr's signature)
        """Refused: slides are never written to."""
        raise PermissionError("a slide is read-only")

    def _place(self, key: str) -> Chunk | None:
        """Level, row and column of a chunk's key, or None if it is none."""
        parts = key.split("/")
        if len(parts) != 5 or parts[1] != "c" or parts[4] != "0":
            return None
        numbers = [parts[0], parts[2], parts[3]]
        if not all(part.isdecimal() for part in numbers):
            return None
        level, row, column = (int(part) for part in numbers)
        if level >= len(self._counts) or row >= self._counts[level][0] or column >= self._counts[level][1]:
            return None
        return level, row, column


def _documents(levels: Sequence[PyramidLevel]) -> dict[str, bytes]:
    """The zarr.json of the group and of each level."""
    documents = {"zarr.json": json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}}).encode()}
    for index, level in enumerate(levels):
        metadata = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [*level.grid.shape, 3],
            "data_type": "uint8",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [*level.chunk, 3]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 255,
            "codecs": [{"name": "bytes"}],
            "attributes": {},
            "dimension_names": ["y", "x", "c"],
        }
        documents[f"{index}/zarr.json"] = json.dumps(metadata).encode()
    return documents


def _part(data: bytes, byte_range: ByteRequest | None) -> bytes:
    if isinstance(byte_range, RangeByteRequest):
        return data[byte_range.start : byte_range.end]
    if isinstance(byte_range, OffsetByteRequest):
        return data[byte_range.offset :]
    if isinstance(byte_range, SuffixByteRequest):
        return data[-byte_range.suffix :]
    return data
