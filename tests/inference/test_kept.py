from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from napari_mmlnb.inference.kept import kept_folder, key_of, made_once, recall, remember


class Fact(BaseModel):
    rate: float


def make(folder: Path) -> None:
    (folder / "a.bin").write_bytes(b"content")


def test_what_is_remembered_is_recalled_and_nothing_else():
    key = key_of({"machine": "this"})
    assert recall("facts", key, Fact) is None
    assert remember("facts", key, Fact(rate=3)) == Fact(rate=3)
    assert recall("facts", key, Fact) == Fact(rate=3)
    assert recall("facts", key_of({"machine": "other"}), Fact) is None


def test_who_comes_second_goes_on_with_what_the_first_found_out():
    remember("facts", "k", Fact(rate=1))
    assert remember("facts", "k", Fact(rate=2)) == Fact(rate=1)
    assert recall("facts", "k", Fact) == Fact(rate=1)


def test_a_damaged_fact_is_found_out_again():
    remember("facts", "k", Fact(rate=1))
    (kept_folder("facts") / "k.json").write_text('{"rate": "a ca')
    assert recall("facts", "k", Fact) is None
    assert remember("facts", "k", Fact(rate=2)) == Fact(rate=2)
    assert recall("facts", "k", Fact) == Fact(rate=2)


def test_files_are_made_once_and_again_when_they_are_damaged():
    made = []

    def count(folder):
        made.append(folder)
        make(folder)

    folder = made_once("files", "k", count)
    assert made_once("files", "k", count) == folder
    assert len(made) == 1
    (folder / "a.bin").write_bytes(b"other")
    assert made_once("files", "k", count) == folder
    assert (folder / "a.bin").read_bytes() == b"content"
    assert len(made) == 2
    (folder / "a.bin").unlink()
    assert (made_once("files", "k", count) / "a.bin").read_bytes() == b"content"


def test_two_processes_that_make_the_same_do_no_harm():
    def slow(folder):
        made_once("files", "k", make)  # another one is faster
        make(folder)

    folder = made_once("files", "k", slow)
    assert (folder / "a.bin").read_bytes() == b"content"
    assert [p.name for p in folder.parent.iterdir()] == ["k"]


def test_where_nothing_can_be_written_nothing_is_kept_and_nothing_fails(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert made_once("files", "k", make) is None
    assert remember("facts", "k", Fact(rate=1)) == Fact(rate=1)
    assert recall("facts", "k", Fact) is None
