"""DICOM folders that are no single whole slide: exit 2, one line that says what is in them, and no patient's name."""

from __future__ import annotations

import json

import pytest

from tests.cli.test_bad_input import assert_refused
from tests.slides.made import tissue_picture
from tests.slides.made_dicom import write_dicom, write_other


@pytest.fixture
def folder(tmp_path):
    picture = tissue_picture(600, 700)
    return write_dicom(tmp_path / "slide", picture=picture, downsamples=(4.0,), prefix="Doe-Jane", mpp=(0.25, 0.31))


@pytest.fixture(params=["classify", "info"])
def refused(request, mmlnb, tmp_path):
    """Ask for a slide and expect to be refused with certain words."""

    def ask(slide, says: str) -> None:
        out = () if request.param == "info" else ("--out", tmp_path / "out")
        done = mmlnb(request.param, slide, *out)
        assert_refused(done, says=says)
        assert "Doe" not in done.stderr
        assert not (tmp_path / "out").exists()

    return ask


def test_a_whole_series_is_shown(mmlnb, folder):
    done = mmlnb("info", folder, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["backend"] == "dicom"
    assert facts["size_px"] == [700, 600]
    assert facts["mpp"] == pytest.approx([0.25, 0.31])
    assert facts["mpp_source"] == "dicom.PixelSpacing"


def test_an_empty_folder(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", says="not a whole slide")


def test_a_folder_without_a_slide(refused, tmp_path):
    (tmp_path / "ct").mkdir()
    write_other(tmp_path / "ct" / "Doe-Jane.dcm")
    refused(tmp_path / "ct", says="CT (1 file)")


def test_several_series(refused, folder):
    write_dicom(folder, picture=tissue_picture(400, 300), prefix="Doe-John")
    refused(folder, says="holds 2 whole slides, not one: SM 700 x 600 px (2 files); SM 300 x 400 px (1 file)")


def test_a_missing_instance(refused, folder):
    (folder / "Doe-Jane-1.dcm").unlink()
    refused(folder, says="full resolution is missing")


def test_a_truncated_instance(refused, folder):
    path = folder / "Doe-Jane-1.dcm"
    path.write_bytes(path.read_bytes()[:-2000])
    refused(folder, says="level of 700 x 600 px ends before its pixels do")
