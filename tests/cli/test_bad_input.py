"""Bad input: exit 2, one clear line, no traceback, and no half-written folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def assert_refused(done, *, says: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("mmlnb: ")
    assert "Traceback" not in done.stderr
    assert says in done.stderr


@pytest.fixture(params=["classify", "info"])
def about_a_slide(request, tmp_path):
    """Build the arguments of a command that opens a slide, and say which folder must stay away."""

    def arguments(slide):
        if request.param == "info":
            return ["info", slide]
        return ["classify", slide, "--out", tmp_path / "out"]

    return arguments


@pytest.fixture(autouse=True)
def out_stays_away(tmp_path):
    yield
    assert not (tmp_path / "out").exists()


def test_a_process_ends_with_one_line_too(mmlnb_process, tmp_path, phantom_slide, scaleless_slide):
    """The six of them as a person meets them; the rest of this file asks in one process, which is faster."""
    out = tmp_path / "out"
    (tmp_path / "letter.txt").write_text("Dear colleague")
    (tmp_path / "cut.tiff").write_bytes(phantom_slide.read_bytes()[:3000])
    assert_refused(mmlnb_process("classify", tmp_path / "gone.svs", "--out", out), says="gone.svs")
    assert_refused(mmlnb_process("classify", tmp_path / "letter.txt", "--out", out), says="letter.txt")
    assert_refused(mmlnb_process("classify", tmp_path / "cut.tiff", "--out", out), says="cut.tiff")
    assert_refused(mmlnb_process("classify", scaleless_slide, "--out", out), says="--mpp")
    assert_refused(mmlnb_process("classify", phantom_slide, "--out", out, "--model", "oracle"), says="oracle")
    assert_refused(
        mmlnb_process("classify", phantom_slide, "--out", tmp_path / "letter.txt" / "out"), says="letter.txt"
    )


def test_no_such_file(mmlnb, about_a_slide, tmp_path):
    assert_refused(mmlnb(*about_a_slide(tmp_path / "gone.svs")), says="gone.svs")


@pytest.mark.parametrize(
    ("name", "content"), [("letter.txt", b"Dear colleague"), ("letter.svs", b"Dear colleague" * 99)]
)
def test_a_file_that_is_no_slide(mmlnb, about_a_slide, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert_refused(mmlnb(*about_a_slide(tmp_path / name)), says=name)


def test_an_empty_folder_is_no_slide(mmlnb, about_a_slide, tmp_path):
    (tmp_path / "empty").mkdir()
    assert_refused(mmlnb(*about_a_slide(tmp_path / "empty")), says="empty")


def test_a_truncated_slide(mmlnb, about_a_slide, tmp_path, phantom_slide):
    cut = tmp_path / "cut.tiff"
    cut.write_bytes(phantom_slide.read_bytes()[:3000])
    assert_refused(mmlnb(*about_a_slide(cut)), says="cut.tiff")


def test_no_scale_says_which_option_gives_one(mmlnb, scaleless_slide, tmp_path):
    assert_refused(mmlnb("classify", scaleless_slide, "--out", tmp_path / "out"), says="--mpp")


@pytest.mark.parametrize("mpp", ["none", "0", "-1", "0.5,", "0.5,0.5,0.5", "nan"])
def test_a_malformed_scale(mmlnb, scaleless_slide, tmp_path, mpp):
    assert_refused(mmlnb("classify", scaleless_slide, "--out", tmp_path / "out", f"--mpp={mpp}"), says="--mpp")


def test_an_implausible_scale(mmlnb, scaleless_slide, tmp_path):
    assert_refused(mmlnb("classify", scaleless_slide, "--out", tmp_path / "out", "--mpp", "250"), says="plausible")


def test_an_unknown_model_lists_the_known_ones(mmlnb, phantom_slide, tmp_path):
    done = mmlnb("classify", phantom_slide, "--out", tmp_path / "out", "--model", "oracle")
    assert_refused(done, says="oracle")
    assert "nb-phantom" in done.stderr


def test_a_folder_that_is_no_bundle(mmlnb, phantom_slide, tmp_path):
    (tmp_path / "model").mkdir()
    done = mmlnb("classify", phantom_slide, "--out", tmp_path / "out", "--model", tmp_path / "model")
    assert_refused(done, says="model")


def test_an_unknown_describer_lists_the_known_ones(mmlnb, phantom_slide, tmp_path):
    done = mmlnb("classify", phantom_slide, "--out", tmp_path / "out", "--describer", "oracle")
    assert_refused(done, says="oracle")
    assert "measured" in done.stderr


@pytest.mark.parametrize("device", ["toaster", "cuda:99"])
def test_a_device_that_is_not_there(mmlnb, phantom_slide, tmp_path, device):
    assert_refused(mmlnb("classify", phantom_slide, "--out", tmp_path / "out", "--device", device), says=device)


def test_no_such_roi(mmlnb, phantom_slide, tmp_path):
    done = mmlnb("classify", phantom_slide, "--out", tmp_path / "out", "--roi", tmp_path / "gone.geojson")
    assert_refused(done, says="gone.geojson")


def test_a_roi_that_is_no_geojson(mmlnb, phantom_slide, tmp_path):
    (tmp_path / "roi.geojson").write_text("[1, 2")
    done = mmlnb("classify", phantom_slide, "--out", tmp_path / "out", "--roi", tmp_path / "roi.geojson")
    assert_refused(done, says="roi.geojson")


def test_out_is_a_file(mmlnb, phantom_slide, tmp_path):
    (tmp_path / "taken").write_text("mine")
    assert_refused(mmlnb("classify", phantom_slide, "--out", tmp_path / "taken"), says="taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_out_below_a_file(mmlnb, phantom_slide, tmp_path):
    (tmp_path / "taken").write_text("mine")
    assert_refused(mmlnb("classify", phantom_slide, "--out", tmp_path / "taken" / "below"), says="taken")


def test_out_that_nobody_may_write(mmlnb, phantom_slide, tmp_path):
    # /proc refuses even the superuser, as tests in a container often are; elsewhere permissions do it.
    if Path("/proc/self").exists():
        out = Path("/proc/self/out")
    else:
        (tmp_path / "locked").mkdir(mode=0o500)
        out = tmp_path / "locked" / "out"
    assert_refused(mmlnb("classify", phantom_slide, "--out", out), says=str(out))
    assert not os.path.lexists(out)


def test_demo_refuses_the_same_folder(mmlnb, tmp_path):
    (tmp_path / "taken").write_text("mine")
    assert_refused(mmlnb("demo", "--headless", "--out", tmp_path / "taken"), says="taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_train_without_its_configuration(mmlnb, tmp_path):
    assert_refused(mmlnb("train", tmp_path / "gone.yaml", "--out", tmp_path / "out"), says="gone.yaml")


@pytest.mark.parametrize("text", ["[1, 2", "just words", "nonsense: true"])
def test_a_configuration_that_makes_no_sense(mmlnb, tmp_path, text):
    (tmp_path / "train.yaml").write_text(text)
    assert_refused(mmlnb("train", tmp_path / "train.yaml", "--out", tmp_path / "out"), says="train.yaml")
