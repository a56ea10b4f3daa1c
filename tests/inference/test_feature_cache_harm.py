"""What several processes, a full disk, a read-only folder and decay do to kept features: nothing is lost but time."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from napari_mmlnb.inference import feature_cache
from napari_mmlnb.inference.feature_cache import CHUNK_TILES, RESERVE_BYTES, FeatureCache, make_room
from tests.inference.test_feature_cache import (
    KEY,
    PLENTY,
    WIDTH,
    cells_of,
    expected,
    features_of,
    grid_of,
    keep,
    loaded,
)

NOBODY = 65534
OTHER = "1" * 64

AT_WORK = """
import sys
from pathlib import Path
from tests.inference.test_feature_cache import KEY, cells_of, keep
print("ready", flush=True)
sys.stdin.readline()
for first in range(0, 1200, 300):
    keep(Path(sys.argv[1]), cells_of(300, first=first), key=sys.argv[2])
"""


def start(folder: Path, key: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", AT_WORK, str(folder), key]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, text=True, cwd=Path(__file__).parents[2], **pipes)


def let_go(children: list[subprocess.Popen[str]]) -> None:
    """When all are ready, all begin."""
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()


def test_processes_at_the_same_slide_and_one_that_makes_room_do_no_harm(tmp_path):
    keep(tmp_path, cells_of(100), key="2" * 64)
    children = [start(tmp_path, KEY), start(tmp_path, KEY), start(tmp_path, OTHER)]
    let_go(children)
    tiles = grid_of(cells_of(1200))
    while any(child.poll() is None for child in children):
        found = loaded(tmp_path, tiles)
        assert found == expected(tiles, found), "never a wrong feature, also while others write"
        make_room(tmp_path, 0, keep=KEY)
    assert [child.wait() for child in children] == [0, 0, 0]
    make_room(tmp_path, 0, keep=KEY)
    assert [path.name for path in tmp_path.iterdir()] == [KEY]
    assert loaded(tmp_path, tiles) == expected(tiles, range(1200))


def test_what_another_removes_while_it_is_counted_is_no_error(tmp_path, monkeypatch):
    keep(tmp_path, cells_of(100), key=OTHER)
    walk = os.walk

    def removed_meanwhile(folder, *args, **kwargs):
        for found in walk(folder, *args, **kwargs):
            yield found
            shutil.rmtree(tmp_path / OTHER, ignore_errors=True)

    monkeypatch.setattr("napari_mmlnb.inference.feature_cache.os.walk", removed_meanwhile)
    cache = keep(tmp_path, cells_of(300))
    assert not cache.problem
    assert len(loaded(tmp_path, grid_of(cells_of(300)))) == 300


def test_room_is_made_while_another_reads_and_writes(tmp_path):
    for first in (0, 300):
        keep(tmp_path, cells_of(300, first=first))
    tiles = grid_of(cells_of(900))
    cache = FeatureCache(tmp_path, KEY, WIDTH)
    reading = cache.load(tiles)
    first = next(reading)
    cache.begin(300, PLENTY)
    make_room(tmp_path, 0, keep=OTHER)
    rest = list(reading)
    assert sum(len(batch.indices) for batch in [first, *rest]) < 600, "what is gone counts as never computed"
    cells = cells_of(300, first=600)
    cache.add(cells, features_of(cells))
    cache.close()
    found = loaded(tmp_path, tiles)
    assert found == expected(tiles, found)
    keep(tmp_path, cells)
    assert loaded(tmp_path, tiles) == expected(tiles, range(600, 900)), "the next run keeps again"


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Let the operating system refuse to write more into a file, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_more_in_the_middle_of_a_chunk(tmp_path):
    cells = cells_of(4 * CHUNK_TILES)
    cache = keep(tmp_path, cells[:CHUNK_TILES], room=len(cells), close=False)
    with files_no_larger_than(CHUNK_TILES * WIDTH * 4 // 2):
        cache.add(cells[CHUNK_TILES:], features_of(cells[CHUNK_TILES:]))
        cache.close()
    assert cache.problem
    tiles = grid_of(cells)
    assert loaded(tmp_path, tiles) == expected(tiles, range(CHUNK_TILES))
    assert not list(tmp_path.rglob("*.partial")), "half a chunk does not stay and fill the disk"
    keep(tmp_path, cells[CHUNK_TILES:])
    assert loaded(tmp_path, tiles) == expected(tiles, range(len(cells))), "the next run keeps the rest"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_full_disk_is_said_in_words(tmp_path, monkeypatch):
    def full(*_arguments, **_options):
        with Path("/dev/full").open("wb", buffering=0) as file:
            file.write(b"x")

    cache = keep(tmp_path, cells_of(10), close=False)
    monkeypatch.setattr(feature_cache._Segment, "_write", full)
    cache.close()
    assert cache.problem == "No space left on device"


def test_room_is_left_on_the_disk_for_the_results(tmp_path, monkeypatch):
    keep(tmp_path, cells_of(300), key=OTHER)
    usage = shutil.disk_usage(tmp_path)
    nearly_full = type(usage)(usage.total, usage.total - RESERVE_BYTES, RESERVE_BYTES)
    monkeypatch.setattr(feature_cache.shutil, "disk_usage", lambda _path: nearly_full)
    cache = keep(tmp_path, cells_of(10))
    assert "left free" in cache.problem
    assert not (tmp_path / OTHER).exists(), "what was not used for longest makes room first"
    assert loaded(tmp_path, grid_of(cells_of(10))) == {}


@contextmanager
def as_nobody() -> Iterator[Path]:
    """A folder that may only be read; the superuser may write everywhere, so he steps down."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        yield folder
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o700)
        shutil.rmtree(folder)


def test_a_folder_that_may_only_be_read_still_gives_what_it_holds():
    with as_nobody() as folder:
        keep(folder, cells_of(300))
        loaded(folder, grid_of(cells_of(1)))
        for path in sorted(folder.rglob("*"), reverse=True):
            path.chmod(0o555 if path.is_dir() else 0o444)
        folder.chmod(0o555)
        if os.getuid() == 0:
            os.seteuid(NOBODY)
        cache = FeatureCache(folder, KEY, WIDTH)
        found = sum(len(batch.indices) for batch in cache.load(grid_of(cells_of(400))))
        cache.begin(100, PLENTY)
        more = cells_of(100, first=300)
        cache.add(more, features_of(more))
        cache.close()
        assert found == 300
        assert cache.problem == "Permission denied"


@pytest.mark.parametrize("seed", range(6))
def test_decay_anywhere_in_a_segment_gives_no_wrong_feature(tmp_path, seed):
    keep(tmp_path, cells_of(300))
    draw = np.random.default_rng(seed)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    tiles = grid_of(cells_of(400))
    for _ in range(25):
        path = files[draw.integers(len(files))]
        data = bytearray(path.read_bytes())
        if data and draw.random() < 0.7:
            data[draw.integers(len(data))] ^= 1 << int(draw.integers(8))
        else:
            data = data[: draw.integers(len(data) + 1)]
        path.write_bytes(data)
        found = loaded(tmp_path, tiles)
        assert found == expected(tiles, found)
    keep(tmp_path, cells_of(400))
    assert loaded(tmp_path, tiles) == expected(tiles, range(400)), "a run after it repairs the cache"
