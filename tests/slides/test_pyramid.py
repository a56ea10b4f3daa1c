from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest
import zarr
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype

from napari_mmlnb.errors import TileReadError
from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.chunk_cache import ChunkCache
from napari_mmlnb.slides.pyramid import CHUNK_PX, Pyramid, PyramidStore
from napari_mmlnb.slides.slide import open_slide


def test_arrays_show_the_files_pixels(make_tiff):
    picture = np.random.default_rng(2).integers(0, 256, (1100, 1300, 3), dtype=np.uint8)
    with open_slide(make_tiff(picture=picture, downsamples=(2.5,))) as slide:
        array = slide.pyramid[0]
        assert array.shape == (1100, 1300, 3)
        assert array.dtype == np.uint8
        assert (array[:] == picture).all()
        assert (array[500:777, 1000:] == picture[500:777, 1000:]).all()
        assert (slide.pyramid[1][:] == slide.read(1, 0, 0, 440, 520)).all()


def test_arrays_are_read_only(make_tiff):
    with open_slide(make_tiff()) as slide, pytest.raises(Exception, match="read"):
        slide.pyramid[0][:5, :5] = 0


def test_nothing_is_read_before_it_is_asked_for_and_nothing_twice():
    asked = []

    def read(level, y, x, height, width):
        asked.append((level, y, x))
        return np.full((height, width, 3), 9, np.uint8)

    pyramid = Pyramid(read, [PixelGrid((1500, 1500), (1.0, 1.0))])
    assert asked == []
    pyramid.arrays[0][600:700, 600:700]
    pyramid.arrays[0][610:720, 600:700]
    assert asked == [(0, 512, 512)]
    assert pyramid.cache.used_bytes == CHUNK_PX * CHUNK_PX * 3
    pyramid.close()
    assert pyramid.cache.used_bytes == 0


def test_virtual_levels_are_means_of_four_pixels():
    picture = np.random.default_rng(3).integers(0, 256, (2101, 1025, 3), dtype=np.uint8)

    def read(level, y, x, height, width):
        out = np.full((height, width, 3), 255, np.uint8)
        part = picture[y : y + height, x : x + width]
        out[: part.shape[0], : part.shape[1]] = part
        return out

    pyramid = Pyramid(read, [PixelGrid(picture.shape[:2], (1.0, 1.0))])
    coarse = pyramid.arrays[1][:]
    assert coarse.shape == (1051, 513, 3)
    mean = picture[:2100, :1024].reshape(1050, 2, 512, 2, 3).mean(axis=(1, 3))
    assert np.abs(coarse[:1050, :512] - mean).max() <= 0.5
    # The last odd row and column stand for themselves: no white from beyond the edge.
    assert np.abs(coarse[-1, :512] - picture[-1, :1024].reshape(512, 2, 3).mean(axis=1)).max() <= 0.5
    pyramid.close()


def test_chunks_are_made_at_the_same_time():
    together = threading.Barrier(3, timeout=20)

    def chunk(level, row, column):
        together.wait()
        return np.zeros((CHUNK_PX, CHUNK_PX, 3), np.uint8)

    store = PyramidStore(chunk, [(512, 1536)])
    array = zarr.open_array(store, path="0", mode="r")
    assert array[:].shape == (512, 1536, 3)
    store.close()


def test_the_event_loop_does_not_wait_for_a_decoder():
    def chunk(level, row, column):
        time.sleep(0.3)
        return np.zeros((CHUNK_PX, CHUNK_PX, 3), np.uint8)

    store = PyramidStore(chunk, [(512, 512)])

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


def test_a_failure_reaches_the_reader():
    def read(level, y, x, height, width):
        raise TileReadError("slide", "A tile cannot be decoded.")

    pyramid = Pyramid(read, [PixelGrid((600, 600), (1.0, 1.0))])
    with pytest.raises(TileReadError):
        pyramid.arrays[0][:10, :10]
    pyramid.close()


def test_the_store_keeps_zarrs_contract():
    def chunk(level, row, column):
        return np.full((CHUNK_PX, CHUNK_PX, 3), 10 * row + column, np.uint8)

    store = PyramidStore(chunk, [(600, 1030), (300, 515)])
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
        assert whole == bytes([12]) * CHUNK_PX**2 * 3
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


def test_the_cache_keeps_to_its_limit_and_drops_the_oldest():
    cache = ChunkCache(limit_bytes=3 * 300)
    for key in "abc":
        cache.put(key, np.zeros((10, 10, 3), np.uint8))
    assert cache.get("a") is not None
    cache.put("d", np.zeros((10, 10, 3), np.uint8))
    assert cache.get("b") is None
    assert all(cache.get(key) is not None for key in "acd")
    cache.put("e", np.zeros((100, 100, 3), np.uint8))
    assert cache.get("e") is None
    cache.put("a", np.zeros((5, 10, 3), np.uint8))
    assert cache.used_bytes == 750
