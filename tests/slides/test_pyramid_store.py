from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest
import zarr
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.decode_pool import DecodePool
from napari_mmlnb.slides.pyramid_levels import PyramidLevel
from napari_mmlnb.slides.pyramid_store import PyramidStore

SIDE = 512


def level_of(height: int, width: int) -> PyramidLevel:
    return PyramidLevel(PixelGrid((height, width), (1.0, 1.0)), 0, 1, (SIDE, SIDE))


@pytest.fixture
def pool():
    pool = DecodePool(threads=3)
    yield pool
    pool.close()


def test_chunks_are_made_at_the_same_time(pool):
    together = threading.Barrier(3, timeout=20)

    def chunk(place):
        together.wait()
        return np.zeros((SIDE, SIDE, 3), np.uint8)

    store = PyramidStore(chunk, [level_of(512, 1536)], pool)
    array = zarr.open_array(store, path="0", mode="r")
    assert array[:].shape == (512, 1536, 3)
    store.close()


def test_the_event_loop_does_not_wait_for_a_decoder(pool):
    def chunk(place):
        time.sleep(0.3)
        return np.zeros((SIDE, SIDE, 3), np.uint8)

    store = PyramidStore(chunk, [level_of(512, 512)], pool)

    async def ticks_during_a_read() -> int:
        read = asyncio.create_task(store.get("0/c/0/0/0", default_buffer_prototype()))
        ticks = 0
        while not read.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert (await read) is not None
        return ticks

    assert asyncio.run(ticks_during_a_read()) > 5
    store.close()


def test_a_read_that_is_given_up_is_not_begun():
    pool = DecodePool(threads=1)
    made, free = [], threading.Event()

    def chunk(place):
        made.append(place)
        free.wait(20)
        return np.zeros((SIDE, SIDE, 3), np.uint8)

    store = PyramidStore(chunk, [level_of(512, 1024)], pool)

    async def give_up() -> None:
        first = asyncio.create_task(store.get("0/c/0/0/0", default_buffer_prototype()))
        second = asyncio.create_task(store.get("0/c/0/1/0", default_buffer_prototype()))
        while not made:
            await asyncio.sleep(0.01)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        free.set()
        await first

    asyncio.run(give_up())
    pool.close()
    assert made == [(0, 0, 0)]


def test_the_store_keeps_zarrs_contract(pool):
    def chunk(place):
        _, row, column = place
        return np.full((SIDE, SIDE, 3), 10 * row + column, np.uint8)

    store = PyramidStore(chunk, [level_of(600, 1030), level_of(300, 515)], pool)
    prototype = default_buffer_prototype()

    async def get(key, part=None):
        buffer = await store.get(key, prototype, part)
        return None if buffer is None else buffer.to_bytes()

    async def everything():
        keys = [key async for key in store.list()]
        assert len(keys) == len(set(keys)) == 3 + 2 * 3 + 1 * 2
        for key in keys:
            assert await store.exists(key)
            assert await get(key)
        for key in ("0/c/2/0/0", "2/zarr.json", "0/c/0/0/1", "0/c/-1/0/0", "nonsense", "0/c/x/0/0"):
            assert not await store.exists(key)
            assert await get(key) is None
        assert {name async for name in store.list_dir("")} == {"zarr.json", "0", "1"}
        assert {name async for name in store.list_dir("0/c")} == {"0", "1"}
        whole = await get("0/c/1/2/0")
        assert whole == bytes([12]) * SIDE**2 * 3
        assert await get("0/c/1/2/0", RangeByteRequest(3, 8)) == bytes([12]) * 5
        document = await get("0/zarr.json")
        assert await get("0/zarr.json", RangeByteRequest(2, 9)) == document[2:9]
        assert await get("0/zarr.json", OffsetByteRequest(5)) == document[5:]
        assert await get("0/zarr.json", SuffixByteRequest(7)) == document[-7:]
        with pytest.raises(PermissionError):
            await store.delete("zarr.json")

    asyncio.run(everything())
    group = zarr.open_group(store, mode="r")
    assert sorted(group.array_keys()) == ["0", "1"]
    store.close()
