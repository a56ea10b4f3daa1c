"""Features that are kept: what comes back, after whatever happened in between."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.inference import feature_cache
from napari_mmlnb.inference.feature_cache import CHUNK_TILES, FeatureCache, make_room
from napari_mmlnb.slides.tile_grid import TileGrid

KEY = "0" * 64
WIDTH = 3
PLENTY = 2**30


def grid_of(cells, columns: int = 50) -> TileGrid:
    cells = np.asarray(cells, np.int32).reshape(-1, 2)
    return TileGrid(PixelGrid((50, columns), (112.0, 112.0)), cells, 224, 0.5)


def cells_of(count: int, first: int = 0) -> np.ndarray:
    return np.stack(np.divmod(np.arange(first, first + count), 50), axis=1).astype(np.int32)


def features_of(cells: np.ndarray) -> np.ndarray:
    """Features that tell which cell they are of."""
    return np.stack([cells[:, 0], cells[:, 1], cells.sum(axis=1)], axis=1).astype(np.float32) + 0.5


def keep(
    folder: Path, cells: np.ndarray, *, room: int | None = None, close: bool = True, key: str = KEY
) -> FeatureCache:
    cache = FeatureCache(folder, key, WIDTH)
    cache.begin(len(cells) if room is None else room, PLENTY)
    for first in range(0, len(cells), 32):
        cache.add(cells[first : first + 32], features_of(cells[first : first + 32]))
    if close:
        cache.close()
    return cache


def loaded(folder: Path, tiles: TileGrid, key: str = KEY) -> dict[int, list[float]]:
    out: dict[int, list[float]] = {}
    for batch in FeatureCache(folder, key, WIDTH).load(tiles):
        assert len(batch.unreadable) == 0
        for index, features in zip(batch.indices.tolist(), batch.features.tolist(), strict=True):
            assert index not in out, "each tile once"
            out[index] = features
    return out


def expected(tiles: TileGrid, indices) -> dict[int, list[float]]:
    return {index: features_of(tiles.cells[[index]])[0].tolist() for index in indices}


def test_what_was_kept_comes_back(tmp_path):
    keep(tmp_path, cells_of(300))
    tiles = grid_of(cells_of(300)[::-1])
    assert loaded(tmp_path, tiles) == expected(tiles, range(300))


def test_another_choice_of_tiles_finds_those_that_it_shares(tmp_path):
    keep(tmp_path, cells_of(300))
    tiles = grid_of(cells_of(100, first=250))
    assert loaded(tmp_path, tiles) == expected(tiles, range(50))


def test_another_slide_or_encoder_finds_nothing(tmp_path):
    keep(tmp_path, cells_of(10))
    assert loaded(tmp_path, grid_of(cells_of(10)), key="1" * 64) == {}


def test_who_is_killed_loses_what_had_not_made_a_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_cache, "SECONDS_UNWRITTEN", 1e9)
    keep(tmp_path, cells_of(300), room=1000, close=False)
    tiles = grid_of(cells_of(300))
    assert loaded(tmp_path, tiles) == expected(tiles, range(300 // CHUNK_TILES * CHUNK_TILES))


def test_with_a_slow_encoder_nothing_waits_for_its_chunk_to_fill(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_cache, "SECONDS_UNWRITTEN", 0.0)
    cells, tiles = cells_of(300), grid_of(cells_of(300))
    cache = FeatureCache(tmp_path, KEY, WIDTH)
    cache.begin(1000, PLENTY)
    for first in range(0, 300, 20):
        cache.add(cells[first : first + 20], features_of(cells[first : first + 20]))
        assert loaded(tmp_path, tiles) == expected(tiles, range(first + 20)), "a kill here would lose nothing"


def test_two_at_once_do_no_harm(tmp_path):
    one = FeatureCache(tmp_path, KEY, WIDTH)
    other = FeatureCache(tmp_path, KEY, WIDTH)
    cells = cells_of(400)
    for cache in (one, other):
        cache.begin(400, PLENTY)
    for first in range(0, 400, 40):
        one.add(cells[first : first + 40], features_of(cells[first : first + 40]))
        other.add(cells[first : first + 40], features_of(cells[first : first + 40]))
    one.close()
    other.close()
    assert loaded(tmp_path, grid_of(cells)) == expected(grid_of(cells), range(400))


@pytest.mark.parametrize("name", ["features", "cells"])
@pytest.mark.parametrize("how", ["cut", "flipped", "gone", "empty"])
def test_a_damaged_chunk_is_as_if_it_had_never_been(tmp_path, name, how):
    keep(tmp_path, cells_of(3 * CHUNK_TILES))
    (chunk,) = tmp_path.glob(f"*/*.zarr/{name}/c/1/0")
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 4
    damaged = {"cut": chunk.read_bytes()[:-7], "flipped": bytes(data), "empty": b"", "gone": None}[how]
    chunk.unlink()
    if damaged is not None:
        chunk.write_bytes(damaged)
    tiles = grid_of(cells_of(3 * CHUNK_TILES))
    found = loaded(tmp_path, tiles)
    lost = range(CHUNK_TILES, 2 * CHUNK_TILES)
    assert found == expected(tiles, [index for index in range(3 * CHUNK_TILES) if index not in lost])


@pytest.mark.parametrize("document", ["zarr.json", "features/zarr.json", "cells/zarr.json"])
@pytest.mark.parametrize("text", ["", "{", "{}", None])
def test_a_damaged_segment_is_left_out_and_the_others_count(tmp_path, document, text):
    keep(tmp_path, cells_of(10))
    (path,) = tmp_path.glob(f"*/*.zarr/{document}")
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    keep(tmp_path, cells_of(10, first=20))
    tiles = grid_of(cells_of(40))
    assert loaded(tmp_path, tiles) == expected(tiles, range(20, 30))


def test_values_that_are_not_finite_are_not_believed(tmp_path):
    cells = cells_of(5)
    cache = FeatureCache(tmp_path, KEY, WIDTH)
    cache.begin(5, PLENTY)
    features = features_of(cells)
    features[2, 1] = np.nan
    cache.add(cells, features)
    cache.close()
    assert sorted(loaded(tmp_path, grid_of(cells))) == [0, 1, 3, 4]


def test_a_full_disk_ends_the_keeping_and_nothing_else(tmp_path, monkeypatch):
    cache = keep(tmp_path, cells_of(CHUNK_TILES), room=1000, close=False)

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(feature_cache._Segment, "_write", full)
    more = cells_of(CHUNK_TILES, first=CHUNK_TILES)
    cache.add(more, features_of(more))
    cache.add(more, features_of(more))
    cache.close()
    assert cache.problem == "No space left on device"
    monkeypatch.undo()
    tiles = grid_of(cells_of(2 * CHUNK_TILES))
    assert loaded(tmp_path, tiles) == expected(tiles, range(CHUNK_TILES))


def test_a_place_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("no folder")
    cache = keep(tmp_path / "file", cells_of(10))
    assert cache.problem
    assert loaded(tmp_path / "file", grid_of(cells_of(10))) == {}


def test_what_was_not_used_for_longest_makes_room(tmp_path):
    for number in range(3):
        key = str(number) * 64
        keep(tmp_path, cells_of(100), key=key)
        os.utime(tmp_path / key / "used", (1000 + number, 1000 + number))
    size = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    make_room(tmp_path, size, keep="")
    assert len(list(tmp_path.iterdir())) == 3
    make_room(tmp_path, size - 1, keep="0" * 64)
    assert sorted(path.name[0] for path in tmp_path.iterdir()) == ["0", "2"], "what is in use stays, however old"
    make_room(tmp_path / "nowhere", 0, keep="")


def test_room_is_made_for_what_will_be_computed(tmp_path):
    keep(tmp_path, cells_of(100), key="1" * 64)
    size = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    cache = FeatureCache(tmp_path, KEY, WIDTH)
    cache.begin(0, 0)
    assert (tmp_path / ("1" * 64)).is_dir(), "who computes nothing drives nobody out"
    cache.begin(100, size + 100)
    assert not (tmp_path / ("1" * 64)).exists()
    cache.close()


@given(
    kept=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6)), max_size=30, unique=True),
    wanted=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6)), max_size=30, unique=True),
)
def test_cells_are_told_apart(tmp_path_factory, kept, wanted):
    folder = tmp_path_factory.mktemp("kept")
    keep(folder, np.asarray(kept, np.int32).reshape(-1, 2))
    tiles = grid_of(wanted, columns=7)
    assert loaded(folder, tiles) == expected(tiles, [index for index, cell in enumerate(wanted) if cell in kept])


KILLED = """
import os, sys
import numpy as np
from pathlib import Path
from tests.inference.test_feature_cache import KEY, WIDTH, cells_of, features_of
from napari_mmlnb.inference.feature_cache import FeatureCache
cache = FeatureCache(Path(sys.argv[1]), KEY, WIDTH)
cells = cells_of(2500)
cache.begin(2500, 2**30)
print("ready", flush=True)
for first in range(0, 2500, 4):
    cache.add(cells[first : first + 4], features_of(cells[first : first + 4]))
    print(first + 4, flush=True)
"""


@pytest.mark.parametrize("after", [1, 60, 200])
def test_killed_without_warning(tmp_path, after):
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(after)]
        child.kill()
    done = 0 if after == 1 else int(lines[-1])
    tiles = grid_of(cells_of(2500))
    found = loaded(tmp_path, tiles)
    assert found == expected(tiles, found)
    assert len(found) >= done - CHUNK_TILES
