"""A zarr store that notices chunks cut short before a decoder reads past their end.

Blosc, the usual codec of OME-Zarr 0.4, believes what the head of a chunk says of its length. Where a file was cut by
a few bytes it decodes whatever lies in memory behind them, and where the head is damaged it may take gigabytes.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable

from zarr.abc.store import ByteRequest, RangeByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import WrapperStore

_DOCUMENTS = ("zarr.json", ".zgroup", ".zattrs", ".zarray", ".zmetadata")
_ARRAYS = (".zarray", "zarr.json")

_BLOSC_HEAD = struct.Struct("<4B3I")
_LARGEST_CHUNK = 2**30


class IncompleteChunkError(Exception):
    """A stored chunk is not as long as it, or its shard, says."""


class WholeChunkStore(WrapperStore[Store]):
    """A store that refuses incomplete chunks.

    Parameters
    ----------
    store : zarr.abc.store.Store
        What it reads from.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._blosc: dict[str, bool] = {}

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """The value of a key; None where there is none.

        Raises
        ------
        IncompleteChunkError
            If it is shorter than it must be.
        """
        length = byte_range.end - byte_range.start if isinstance(byte_range, RangeByteRequest) else 0
        if length > _LARGEST_CHUNK:
            raise IncompleteChunkError(key)
        value: Buffer | None = await super().get(key, prototype, byte_range)
        folder, _, name = key.rpartition("/")
        if value is None:
            return None
        if name in _DOCUMENTS:
            if name in _ARRAYS:
                # Of a sharded array only whole shards begin with its codec's head, and none is read whole.
                document = value.to_bytes()
                self._blosc[folder] = b"blosc" in document and b"sharding_indexed" not in document
            return value
        if len(value) < length:
            raise IncompleteChunkError(key)
        if byte_range is None and self._is_blosc(key):
            _check_blosc(key, value)
        return value

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Several at once."""
        return await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges))

    def _is_blosc(self, key: str) -> bool:
        """Whether a chunk is of an array whose document names the codec: that of the nearest folder above it."""
        folder = key
        while folder:
            folder = folder.rpartition("/")[0]
            if folder in self._blosc:
                return self._blosc[folder]
        return False


def _check_blosc(key: str, value: Buffer) -> None:
    """Compare the lengths in the head of a chunk with what there is."""
    data = value.to_bytes()
    if len(data) < _BLOSC_HEAD.size:
        raise IncompleteChunkError(key)
    _, _, _, _, decoded, _, stored = _BLOSC_HEAD.unpack_from(data)
    if stored != len(data) or decoded > _LARGEST_CHUNK:
        raise IncompleteChunkError(key)
