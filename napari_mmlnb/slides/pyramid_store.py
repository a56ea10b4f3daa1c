"""A pyramid as a zarr store, for whoever wants arrays.

The store is read-only and makes each chunk when it is asked for, in the slide's decoding threads, so that zarr's event
loop never waits for a decoder.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import NoReturn

import numpy as np
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.decode_pool import DecodePool, Priority
from napari_mmlnb.slides.pyramid_levels import Chunk, PyramidLevel


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
        try:
            task = self._pool.submit(Priority.VIEWPORT, self._chunk, place)
        except RuntimeError:  # the slide has been closed meanwhile, which its reader says with the slide's name
            pixels = self._chunk(place)
        else:
            pixels = await asyncio.wrap_future(task)
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
