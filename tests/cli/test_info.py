from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from napari_mmlnb.cli.info import command
from napari_mmlnb.cli.mpp import MPP
from napari_mmlnb.errors import ImplausibleMppError


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
