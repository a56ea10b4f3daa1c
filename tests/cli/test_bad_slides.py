"""Slides that are none, not whole, or gone half-way: exit 2 with one line, or a result that counts what is missing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_mmlnb.errors import SlideReadError
from tests.cli.test_bad_input import assert_refused
from tests.slides.made import write_tiff


@pytest.fixture(params=["info", "classify"])
def about(request, tmp_path):
    """The arguments of a command that opens a slide."""

    def arguments(slide: object) -> list[object]:
        return [request.param, *(["--out", tmp_path / "out"] if request.param == "classify" else []), "--", slide]

    yield arguments
    if request.param == "classify":
        assert not (tmp_path / "out").exists()


@pytest.fixture
def cut_phantom(phantom_slide, tmp_path) -> Iterator[Path]:
    """The phantom without the second half of its finest level, all else being there."""
    path = tmp_path / "cut.tiff"
    with tifffile.TiffFile(phantom_slide) as tif:
        levels = [level.asarray() for level in tif.series[0].levels]
        mpp = 1e4 / tif.pages[0].resolution[0]
    options = {"tile": (256, 256), "photometric": "rgb", "compression": "jpeg", "metadata": None}
    scale = {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path) as tif:
        tif.write(levels[0], subifds=len(levels) - 1, **options, **scale)
        for level in levels[1:]:
            tif.write(level, subfiletype=1, **options)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tag = tif.pages[0].tags["TileOffsets"]
        half = len(tag.value) // 2
        tag.overwrite([*tag.value[:half], *(offset + 2**30 for offset in tag.value[half:])])
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_is_not_waited_for(mmlnb_process, tmp_path):
    os.mkfifo(tmp_path / "pipe.svs")
    assert_refused(mmlnb_process("info", tmp_path / "pipe.svs"), says="pipe.svs")
    assert_refused(mmlnb_process("classify", tmp_path / "pipe.svs", "--out", tmp_path / "out"), says="pipe.svs")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices on this system")
def test_a_device(mmlnb, about):
    assert_refused(mmlnb(*about("/dev/zero")), says="/dev/zero")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no such file on this system")
def test_a_file_that_gives_an_error_when_it_is_read(mmlnb, about):
    assert_refused(mmlnb(*about("/proc/self/mem")), says="/proc/self/mem")


@pytest.mark.parametrize("files", [(), ("a.dcm",), ("letter.txt",), (".zattrs",), ("zarr.json",)])
def test_a_folder_that_is_no_slide(mmlnb, about, tmp_path, files):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in files:
        (folder / name).write_text("Dear colleague")
    assert_refused(mmlnb(*about(folder)), says="folder")


def test_a_slide_that_one_may_not_read(mmlnb, about, tmp_path, monkeypatch):
    path = write_tiff(tmp_path / "locked.tiff")
    path.chmod(0)
    if os.access(path, os.R_OK):  # a superuser may read anything
        opened = Path.open

        def refuse(self, *args, **kwargs):
            if self == path:
                raise PermissionError(13, "Permission denied")
            return opened(self, *args, **kwargs)

        monkeypatch.setattr(Path, "open", refuse)
    assert_refused(mmlnb(*about(path)), says="ermission")


@pytest.mark.parametrize(
    "name", ["two words.svs", "two\nlines.svs", "Größe µ 腫瘍.svs", "-v.svs", "a" * 300, "null\0byte.svs", "100%.svs"]
)
def test_whatever_the_name_the_error_is_one_line(mmlnb, about, tmp_path, name):
    if "\0" not in name and len(name) < 250:
        (tmp_path / name).write_text("Dear colleague")
    assert_refused(mmlnb(*about(tmp_path / name)), says=tmp_path.name)


@pytest.fixture
def nameless(phantom_slide, tmp_path) -> str:
    """A slide from another system, whose name is no UTF-8."""
    name = os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller.tiff")
    try:
        shutil.copyfile(phantom_slide, name)
    except OSError:
        pytest.skip("this file system has no such names")
    return name


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_name_that_is_no_text_can_be_shown(mmlnb_process, nameless, monkeypatch, options):
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")  # as on a terminal
    done = mmlnb_process("info", nameless, *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert "M?ller.tiff" in done.stdout


def test_a_name_that_is_no_text_can_be_recorded(mmlnb, nameless, model, tmp_path):
    done = mmlnb("classify", nameless, "--out", tmp_path / "out", "--model", model)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "result.json").read_text())["slide"]["path"].endswith("M?ller.tiff")
    Path(nameless).write_text("Dear colleague")
    assert_refused(mmlnb("info", nameless), says="ller.tiff")


@pytest.mark.parametrize("dpi", [0.001, 72, 300])
def test_the_resolution_of_a_screen_is_no_scale(mmlnb, tmp_path, dpi):
    path = tmp_path / "screen.tiff"
    options = {"resolution": (dpi, dpi), "resolutionunit": "INCH", "metadata": None}
    tifffile.imwrite(path, np.full((300, 300, 3), 200, np.uint8), tile=(256, 256), photometric="rgb", **options)
    assert_refused(mmlnb("classify", path, "--out", tmp_path / "out"), says="--mpp")
    facts = json.loads(mmlnb("info", path, "--json").stdout)
    assert facts["mpp"] is None
    assert "no scanner makes" in facts["notes"][0]


def test_info_says_what_is_missing_of_a_cut_slide(mmlnb, cut_phantom):
    done = mmlnb("info", cut_phantom)
    assert (done.returncode, done.stderr) == (0, "")
    assert "8 of 16 tiles of level 0 (50.0%) lie beyond the end of the file" in done.stdout
    assert len(json.loads(mmlnb("info", cut_phantom, "--json").stdout)["notes"]) == 1


def test_a_cut_slide_is_classified_with_its_gaps_counted(mmlnb, cut_phantom, model, tmp_path):
    """Half of the tissue could not be seen: no class is named, and nothing of it passes for glass."""
    done = mmlnb("classify", cut_phantom, "--out", tmp_path / "out", "--model", model)
    assert done.returncode == 3, done.stderr
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    coverage = result["coverage"]
    assert coverage["tiles_unreadable"] > 0.3 * coverage["tiles_total"]
    assert coverage["tiles_used"] + coverage["tiles_unreadable"] == coverage["tiles_total"]
    assert result["decision"] == "abstain"
    assert "unreadable_tiles" in [reason["code"] for reason in result["abstain_reasons"]]
    assert f"{coverage['tiles_unreadable']} of {coverage['tiles_total']} tiles could not be read" in done.stderr
    assert "lie beyond the end of the file" in result["slide"]["notes"][0]


def test_a_slide_that_is_cut_during_the_run(phantom_slide, model, tmp_path):
    """What was read before counts; what was not is unreadable; the record is that of the file that was opened."""
    from napari_mmlnb.inference.runner import classify
    from napari_mmlnb.inference.settings import RunSettings
    from napari_mmlnb.slides.fingerprint import fingerprint
    from napari_mmlnb.slides.slide import open_slide

    path = tmp_path / "slide.tiff"
    shutil.copyfile(phantom_slide, path)
    with open_slide(path) as slide:
        for update in classify(slide, model, settings=RunSettings(device="cpu"), stream=True):
            if update.stage == "encode" and not update.done:
                with path.open("r+b") as file:
                    file.truncate(1000)
            result = update.result
    assert result is not None
    assert result.coverage.tiles_unreadable > 0
    assert result.decision == "abstain"
    assert result.slide.fingerprint == fingerprint(phantom_slide)


def test_a_slide_that_is_deleted_during_the_run(phantom_slide, model, tmp_path):
    """The open file stays readable where the system keeps it; if not, its tiles are counted, or the run is refused."""
    from napari_mmlnb.inference.runner import classify
    from napari_mmlnb.inference.settings import RunSettings
    from napari_mmlnb.slides.fingerprint import fingerprint
    from napari_mmlnb.slides.slide import open_slide

    path = tmp_path / "slide.tiff"
    shutil.copyfile(phantom_slide, path)
    result = None
    try:
        with open_slide(path) as slide:
            for update in classify(slide, model, settings=RunSettings(device="cpu"), stream=True):
                if update.stage == "tissue":
                    path.unlink()
                result = update.result
    except SlideReadError:
        return
    assert result is not None
    assert result.slide.fingerprint == fingerprint(phantom_slide)
    assert result.coverage.tiles_used + result.coverage.tiles_unreadable == result.coverage.tiles_total
