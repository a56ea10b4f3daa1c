from __future__ import annotations

from collections import namedtuple

import pytest

from napari_mmlnb.cli.checks import caches
from napari_mmlnb.cli.checks.finding import State

Usage = namedtuple("Usage", "total used free")


def test_a_cache_says_where_how_large_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"\0" * 2_500_000)
    before = sorted(tmp_path.rglob("*"))
    found = caches.look_at("cache", tmp_path)
    assert found.state is State.OK
    assert str(tmp_path) in found.text
    assert "2.5 MB" in found.text
    assert found.facts["bytes"] == 2_500_000
    assert sorted(tmp_path.rglob("*")) == before


def test_a_cache_that_is_not_there_yet_is_not_made(tmp_path):
    found = caches.look_at("cache", tmp_path / "a" / "b")
    assert found.state is State.OK
    assert found.facts["bytes"] == 0
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("place", ["file/below", "/proc/self/cache"])
def test_a_place_that_cannot_be_written_is_a_warning_with_the_way_out(tmp_path, place):
    (tmp_path / "file").write_text("no folder")
    found = caches.look_at("cache", tmp_path / place)
    assert found.state is State.WARNING
    assert "XDG_CACHE_HOME" in found.remedy


def test_a_disk_that_is_nearly_full_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(caches.shutil, "disk_usage", lambda _path: Usage(10**12, 10**12 - 10**9, 10**9))
    found = caches.look_at("cache", tmp_path)
    assert found.state is State.WARNING
    assert "nearly full" in found.text
