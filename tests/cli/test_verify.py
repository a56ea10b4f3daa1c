"""`mmlnb verify`: exit codes, and a line for every change."""

import json

import pytest

from napari_mmlnb.cli.main import run
from napari_mmlnb.report.outputs import write_outputs
from tests.report.factories import make_result


@pytest.fixture
def out(tmp_path):
    write_outputs(make_result(), tmp_path / "out")
    return tmp_path / "out"


def test_unchanged_is_exit_0(out, capsys):
    assert run(["verify", str(out)]) == 0
    printed = capsys.readouterr()
    assert "ok           report.pdf" in printed.out
    assert printed.err == ""


def test_a_change_is_exit_3_and_named(out, capsys):
    (out / "thumbnail.png").write_bytes(b"another picture")
    (out / "regions.geojson").unlink()
    assert run(["verify", str(out)]) == 3
    printed = capsys.readouterr()
    assert printed.err.splitlines() == ["regions.geojson is missing.", "thumbnail.png has changed."]


def test_json_is_one_object_and_nothing_else(out, capsys):
    (out / "thumbnail.png").write_bytes(b"another picture")
    assert run(["verify", str(out / "report.pdf"), "--json"]) == 0, "the report itself is whole"
    assert json.loads(capsys.readouterr().out)["unchanged"] is True
    assert run(["verify", str(out), "--json"]) == 3
    printed = json.loads(capsys.readouterr().out)
    assert [c["name"] for c in printed["checks"] if c["status"] == "changed"] == ["thumbnail.png"]


@pytest.mark.parametrize("arguments", [["nowhere"], ["."], []])
def test_no_output_folder_is_exit_2_and_one_line(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["verify", *arguments]) == 2
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 1
    assert "Traceback" not in printed.err


def test_a_slide_that_is_not_there_is_exit_2(out, capsys):
    assert run(["verify", str(out), "--slide", "nowhere.svs"]) == 2
    assert "nowhere.svs" in capsys.readouterr().err


def test_other_weights_than_the_ones_that_ran_are_exit_3(tmp_path, capsys):
    result = make_result()
    elsewhere = result.model.model_copy(update={"name": "nb-phantom"})
    write_outputs(result.model_copy(update={"model": elsewhere}).with_maps(result.maps), tmp_path / "out")
    assert run(["verify", str(tmp_path / "out")]) == 3
    assert capsys.readouterr().err.splitlines() == ["weights has changed."]
