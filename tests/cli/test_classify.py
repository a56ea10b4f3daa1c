"""`mmlnb classify` from file to folder."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest
import tifffile

from napari_mmlnb.cli import main as cli
from tests.describe.tiny_vlm import qwen2_5_vl

FILES = {"result.json", "result.json.sha256", "report.pdf", "regions.geojson", "attention.ome.tif", "thumbnail.png"}


@pytest.fixture(scope="module")
def classified(mmlnb_process, phantom_slide, model, tmp_path_factory):
    """One run with `--json`, in a process of its own, and the folder that it wrote."""
    out = tmp_path_factory.mktemp("classified") / "deep" / "out"
    return mmlnb_process("classify", phantom_slide, "--out", out, "--model", model, "--json"), out


def test_all_files_are_written(classified):
    done, out = classified
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == FILES
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")


def test_json_is_one_object_and_nothing_else(classified):
    done, out = classified
    printed = json.loads(done.stdout)
    assert printed == json.loads((out / "result.json").read_text())
    assert printed["coverage"]["tiles_used"] > 0
    assert done.stderr == "", "progress is for a terminal only"


def test_the_printed_digests_are_those_of_the_files(classified):
    done, out = classified
    outputs = json.loads(done.stdout)["outputs"]
    assert set(outputs) == FILES - {"result.json", "result.json.sha256"}
    for name, digest in outputs.items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest


def test_an_unreadable_tile_is_named_and_exit_3(mmlnb, phantom_slide, model, tmp_path):
    damaged = tmp_path / "damaged.tiff"
    shutil.copy(phantom_slide, damaged)
    with tifffile.TiffFile(damaged) as tiff:
        page = tiff.pages[0]
        middle = len(page.dataoffsets) // 2
        offset, count = page.dataoffsets[middle], page.databytecounts[middle]
    with damaged.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * count)
    done = mmlnb("classify", damaged, "--out", tmp_path / "out", "--model", model)
    assert done.returncode == 3, done.stderr
    unreadable = json.loads((tmp_path / "out" / "result.json").read_text())["coverage"]["tiles_unreadable"]
    assert unreadable > 0
    assert f"{unreadable} unreadable" in done.stdout
    assert "could not be read" in done.stderr
    assert "row" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_slide_without_tissue_is_an_abstention_and_exit_0(mmlnb, model, tmp_path):
    import numpy as np

    blank = tmp_path / "blank.tiff"
    glass = np.full((1024, 1024, 3), 243, np.uint8)
    tifffile.imwrite(blank, glass, tile=(256, 256), photometric="rgb", compression="zlib", metadata=None)
    done = mmlnb("classify", blank, "--out", tmp_path / "out", "--mpp", "0.5", "--model", model)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out" / "result.json").read_text())
    assert record["decision"] == "abstain"
    assert [reason["code"] for reason in record["abstain_reasons"]] == ["no_tissue"]
    assert "abstain" in done.stdout
    assert record["slide"]["mpp"] == [0.5, 0.5]


def test_an_interrupted_run_writes_nothing(phantom_slide, tmp_path, monkeypatch, capsys):
    from napari_mmlnb.inference import runner

    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(runner, "classify", interrupted)
    assert cli.run(["classify", str(phantom_slide), "--out", str(tmp_path / "out")]) == 130
    assert not (tmp_path / "out").exists()
    assert capsys.readouterr().out == ""


def test_real_skin_is_not_neuroblastoma(mmlnb, real_svs, tmp_path):
    done = mmlnb("classify", real_svs, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out" / "result.json").read_text())
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert record["decision"] == "abstain"
    assert "out_of_distribution" in [reason["code"] for reason in record["abstain_reasons"]]
    assert "Decision: abstain" in done.stdout
    for label in (entry["label"] for entry in record["classes"]):
        assert label not in done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--server", "http://192.168.0.7:8000/v1"), "not this machine"),
        (("--server", "nonsense"), "none that can be used"),
        (("--describer", "server"), "address is missing"),
        (("--describer", "no-such-model"), "no describer called"),
        (("--describer", "own"), "no describing model of its own"),
    ],
)
def test_a_describer_that_cannot_be_asked_for_is_refused_and_nothing_is_written(
    mmlnb, phantom_slide, model, tmp_path, options, words
):
    done = mmlnb("classify", phantom_slide, "--out", tmp_path / "out", "--model", model, *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_adapter_describes_from_its_folder(mmlnb, phantom_slide, model, tmp_path):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText

    base = qwen2_5_vl(tmp_path / "base")
    adapted = get_peft_model(
        AutoModelForImageTextToText.from_pretrained(base), LoraConfig(r=2, target_modules=r".*language_model.*q_proj")
    )
    adapted.save_pretrained(tmp_path / "mine" / "adapter")
    asked = ("--describer", tmp_path / "mine" / "adapter", "--describer-base", base, "--device", "cpu")
    done = mmlnb("classify", phantom_slide, "--out", tmp_path / "out", "--model", model, "--json", *asked)
    said = json.loads(done.stdout)["generated"]
    assert (said["describer"], said["precision"], said["device"]) == ("adapter", "float32", "cpu")
    assert len(said["weights_sha256"]) == 64
    assert str(tmp_path) not in json.dumps(said)
