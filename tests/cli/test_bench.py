from __future__ import annotations

import json

from click.testing import CliRunner

from napari_mmlnb.cli.bench import command
from tests.slides.made import tissue_picture


def test_read_gives_what_the_interface_promises(make_tiff):
    path = make_tiff(picture=tissue_picture(1200, 1200), compression="jpeg", mpp=(0.25, 0.25))
    run = CliRunner().invoke(command, ["read", str(path), "--tile-px", "64", "--tiles", "4", "--rounds", "1", "--json"])
    assert run.exit_code == 0, run.output
    figures = json.loads(run.stdout)
    assert {"tiles_per_s", "ratio_to_openslide", "share_of_decode_bound", "rss_mb"} <= set(figures)
    assert figures["tiles"] == 4
    assert figures["rss_mb"] > 10


def test_read_prints_the_ratios_for_a_person(make_tiff):
    path = make_tiff(picture=tissue_picture(1200, 1200), compression="jpeg", mpp=(0.25, 0.25))
    run = CliRunner().invoke(command, ["read", str(path), "--tile-px", "64", "--tiles", "4", "--rounds", "1"])
    assert "times OpenSlide" in run.output
    assert "of its decode bound" in run.output
    assert "pixels different from OpenSlide before the reduction: 0" in run.output
