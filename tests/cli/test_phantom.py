"""`mmlnb phantom`."""

from __future__ import annotations

import json

import pytest

from napari_mmlnb.cli.main import run
from napari_mmlnb.phantom.truth import PhantomTruth

SMALL = ("--size", "640x512", "--mpp", "1.0")


def test_it_writes_a_slide_and_its_truth_and_says_where(tmp_path, capsys):
    out = tmp_path / "slide.tiff"
    assert run(["phantom", str(out), "--subtype", "pd", "--seed", "3", *SMALL, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    truth = PhantomTruth.from_file(facts["truth"])
    assert out.is_file() and facts["slide"] == str(out)
    assert (truth.subtype, truth.seed, truth.mpp, truth.size_px) == ("pd", 3, 1.0, (640, 512))
    assert facts["size_px"] == [640, 512]


@pytest.mark.parametrize("existing", ["slide.tiff", "slide.truth.json"])
def test_what_exists_is_never_replaced(tmp_path, capsys, existing):
    (tmp_path / existing).write_text("mine")
    assert run(["phantom", str(tmp_path / "slide.tiff"), *SMALL]) == 2
    assert existing in capsys.readouterr().err
    assert (tmp_path / existing).read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("nowhere/slide.tiff",),
        ("slide.png",),
        ("slide.tiff", "--size", "4096"),
        ("slide.tiff", "--size", "64x64"),
        ("slide.tiff", "--subtype", "gn"),
        ("slide.tiff", "--mpp", "0"),
        ("slide.tiff", "--seed", "-1"),
    ],
)
def test_a_wrong_request_gets_one_line_and_leaves_nothing(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    assert run(["phantom", *arguments]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
