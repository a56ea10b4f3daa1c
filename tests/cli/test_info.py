from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner
from PIL import Image

from napari_mmlnb.cli.info import command
from napari_mmlnb.cli.mpp import MPP
from napari_mmlnb.errors import ImplausibleMppError, UnknownNameError
from napari_mmlnb.slides.backends import remote_patience
from napari_mmlnb.slides.backends.remote_patience import RemoteLimits
from tests.slides.backends.file_server import SECRET, serve


def run(*arguments: object):
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def test_the_facts_as_json(make_tiff):
    path = make_tiff(downsamples=(2.5,), mpp=(0.25, 0.31))
    facts = json.loads(run(path, "--json").stdout)
    assert facts["size_px"] == [700, 600]
    assert facts["mpp"] == pytest.approx([0.25, 0.31])
    assert facts["mpp_source"] == "tiff.XResolution"
    assert facts["backend"] == "tiff"
    assert facts["codec"] == "DEFLATE"
    assert [level["size_px"] for level in facts["levels"]] == [[700, 600], [280, 240]]
    assert facts["levels"][1]["downsample"] == [2.5, 2.5]
    assert facts["icc_bytes"] == 0
    assert facts["associated_images"] == []
    assert facts["notes"] == []


def test_a_slide_without_scale_is_shown_with_a_note(make_tiff):
    path = make_tiff(mpp=None)
    facts = json.loads(run(path, "--json").stdout)
    assert facts["mpp"] is None
    assert "--mpp" in facts["notes"][0]
    assert "unknown" in run(path).stdout


def test_a_given_scale_is_recorded_as_such(make_tiff):
    facts = json.loads(run(make_tiff(), "--json", "--mpp", "0.3,0.4").stdout)
    assert facts["mpp"] == [0.3, 0.4]
    assert facts["mpp_source"] == "given by the user"
    with pytest.raises(ImplausibleMppError):
        run(make_tiff(), "--mpp", "250")


def test_the_facts_for_people(make_tiff):
    text = run(make_tiff(downsamples=(4.0,))).stdout
    for part in ("700 x 600 px", "0.5 x 0.5 um per pixel", "level 1", "1 : 4 x 4", "tiff.XResolution"):
        assert part in text


@pytest.mark.parametrize(("text", "value"), [("0.25", (0.25, 0.25)), ("0.25,0.5", (0.25, 0.5)), ("1e-1", (0.1, 0.1))])
def test_scales_that_are_understood(text, value):
    assert MPP.convert(text, None, None) == value


@pytest.mark.parametrize("text", ["", "0", "-1", "a", "0.5,", "1,2,3", "nan", "inf", "0.5;0.5"])
def test_scales_that_are_not(text):
    with pytest.raises(click.BadParameter, match="micrometres per pixel"):
        MPP.convert(text, None, None)


def test_a_backend_that_was_asked_for(make_tiff):
    facts = json.loads(run(make_tiff(), "--json", "--backend", "openslide").stdout)
    assert facts["backend"] == "openslide"
    with pytest.raises(UnknownNameError, match="openslide, tiff"):
        run(make_tiff(), "--backend", "magic")


def test_a_picture_without_tiles_says_so(tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png", dpi=(50_800, 50_800))
    text = run(tmp_path / "a.png").stdout
    assert "PNG, no tiles" in text
    assert "0.5 x 0.5 um per pixel (png.pHYs)" in text


def test_a_slide_at_a_url_and_its_credentials(make_tiff, tmp_path):
    make_tiff("slide.tiff")
    with serve(tmp_path) as web:
        url = f"{web.url.replace('//', f'//jane:{SECRET}@')}/slide.tiff?sig={SECRET}"
        facts = json.loads(run(url, "--json").stdout)
    assert facts["backend"] == "remote"
    assert facts["size_px"] == [700, 600]
    assert facts["path"] == f"{web.url}/slide.tiff"
    assert SECRET not in json.dumps(facts)


@pytest.mark.parametrize("url", ["ftp://host/a.svs", f"http://jane:{SECRET}@127.0.0.1:9/a.svs?sig={SECRET}"])
def test_a_url_that_cannot_be_opened_is_one_line_and_exit_code_2(mmlnb, url, monkeypatch):
    monkeypatch.setattr(remote_patience, "LIMITS", RemoteLimits(open_s=2.0, read_s=1.0))
    ended = mmlnb("info", url)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert SECRET not in ended.stderr
