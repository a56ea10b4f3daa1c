"""A slide as lazy zarr arrays, for viewers.

`PyramidStore` is a read-only zarr 3 store that makes each chunk when it is asked for, in threads of its own, so that
zarr's event loop never waits for a decoder. `Pyramid` lays the levels out, and adds coarser ones where the file's
coarsest is still large, for a viewer reads the coarsest whole.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import cv2
import numpy as np
import zarr
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.chunk_cache import DEFAULT_BYTES, ChunkCache
from napari_mmlnb.slides.resample import ReadLevel

CHUNK_PX = 512
COARSEST_PX = 2000
"""The coarsest level is smaller than this on both sides."""

_THREADS = 4


class Pyramid:
    """The levels of a slide as zarr arrays.

    Parameters
    ----------
    read : callable
        ``(level, y, x, height, width)`` in level pixels to RGB, white outside.
    grids : sequence of PixelGrid
        Of the file's levels, highest resolution first.
    cache_bytes : int
        Limit of the cache of decoded chunks.

    Attributes
    ----------
    grids : tuple of PixelGrid
        Of all levels, the computed ones included.
    arrays : tuple of zarr.Array
        (h, w, 3) uint8 each, read-only, chunks of 512 x 512 x 3. Reading raises `TileReadError` where a chunk cannot be
        decoded.
    """

    def __init__(self, read: ReadLevel, grids: Sequence[PixelGrid], cache_bytes: int = DEFAULT_BYTES) -> None:
        self.grids = pyramid_grids(grids)
        self.cache = ChunkCache(cache_bytes)
        self._read = read
        self._file_levels = len(grids)
        self._store = PyramidStore(self._chunk, [grid.shape for grid in self.grids])
        self.arrays: tuple[zarr.Array[Any], ...] = tuple(
            zarr.open_array(self._store, path=str(level), mode="r", zarr_format=3) for level in range(len(self.grids))
        )

    def close(self) -> None:
        """Stop the threads and empty the cache; arrays of this pyramid cannot be read any more."""
        self._store.close()
        self.cache.clear()

    def _chunk(self, level: int, row: int, column: int) -> RGB:
        """One chunk, (512, 512, 3), white beyond the edge."""
        key = (level, row, column)
        chunk = self.cache.get(key)
        if chunk is None:
            make = self._from_file if level < self._file_levels else self._from_finer
            chunk = make(level, row, column)
            self.cache.put(key, chunk)
        return chunk

    def _from_file(self, level: int, row: int, column: int) -> RGB:
        return self._read(level, row * CHUNK_PX, column * CHUNK_PX, CHUNK_PX, CHUNK_PX)

    def _from_finer(self, level: int, row: int, column: int) -> RGB:
        """The mean of 2 x 2 pixels of the next finer level; a last odd one stands for the pair."""
        height, width = self.grids[level - 1].shape
        out = np.full((CHUNK_PX, CHUNK_PX, 3), 255, dtype=np.uint8)
        half = CHUNK_PX // 2
        for i in (0, 1):
            for j in (0, 1):
                r, c = 2 * row + i, 2 * column + j
                h, w = min(CHUNK_PX, height - r * CHUNK_PX), min(CHUNK_PX, width - c * CHUNK_PX)
                if h <= 0 or w <= 0:
                    continue
                finer = self._chunk(level - 1, r, c)[:h, :w]
                even = cv2.copyMakeBorder(finer, 0, h % 2, 0, w % 2, cv2.BORDER_REPLICATE)
                small = cv2.resize(even, ((w + 1) // 2, (h + 1) // 2), interpolation=cv2.INTER_AREA)
                out[i * half : i * half + small.shape[0], j * half : j * half + small.shape[1]] = small
        return out


def pyramid_grids(grids: Sequence[PixelGrid]) -> tuple[PixelGrid, ...]:
    """The file's levels, and computed ones, each with pixels exactly twice as large, until the coarsest is small."""
    levels = list(grids)
    while max(levels[-1].shape) >= COARSEST_PX:
        (h, w), (sy, sx) = levels[-1].shape, levels[-1].spacing_um
        levels.append(PixelGrid(((h + 1) // 2, (w + 1) // 2), (2 * sy, 2 * sx), levels[-1].origin_um))
    return tuple(levels)


class PyramidStore(Store):
    """A read-only zarr 3 store over a function that makes chunks.

    Parameters
    ----------
    chunk : callable
        ``(level, row, column)`` to a (512, 512, 3) uint8 array. What it raises reaches the reader: never an empty
        answer, which zarr would show as black.
    shapes : sequence of (int, int)
        Rows and columns of each level.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(self, chunk: Callable[[int, int, int], RGB], shapes: Sequence[tuple[int, int]]) -> None:
        super().__init__(read_only=True)
        self._chunk = chunk
        self._documents = _documents(shapes)
        self._counts = [(-(-h // CHUNK_PX), -(-w // CHUNK_PX)) for h, w in shapes]
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="pyramid")

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def close(self) -> None:
        """Stop the threads, when the chunks under way are done."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        super().close()

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """A document or a chunk; None for a key that does not exist."""
        document = self._documents.get(key)
        if document is not None:
            return prototype.buffer.from_bytes(_part(document, byte_range))
        place = self._place(key)
        if place is None:
            return None
        pixels = await asyncio.get_running_loop().run_in_executor(self._pool, self._chunk, *place)
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

    def _place(self, key: str) -> tuple[int, int, int] | None:
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


def _documents(shapes: Sequence[tuple[int, int]]) -> dict[str, bytes]:
    """The zarr.json of the group and of each level."""
    documents = {"zarr.json": json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}}).encode()}
    for level, shape in enumerate(shapes):
        metadata = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [*shape, 3],
            "data_type": "uint8",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [CHUNK_PX, CHUNK_PX, 3]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 255,
            "codecs": [{"name": "bytes"}],
            "attributes": {},
            "dimension_names": ["y", "x", "c"],
        }
        documents[f"{level}/zarr.json"] = json.dumps(metadata).encode()
    return documents


def _part(data: bytes, byte_range: ByteRequest | None) -> bytes:
    if isinstance(byte_range, RangeByteRequest):
        return data[byte_range.start : byte_range.end]
    if isinstance(byte_range, OffsetByteRequest):
        return data[byte_range.offset :]
    if isinstance(byte_range, SuffixByteRequest):
        return data[-byte_range.suffix :]
    return data
