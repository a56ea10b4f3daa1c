from __future__ import annotations

import json

from click.testing import CliRunner

from napari_mmlnb.cli.bench import command
from napari_mmlnb.inference.runtimes.registry import RUNTIMES
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


def test_encode_gives_a_row_for_each_runtime(make_tiff):
    path = make_tiff(picture=tissue_picture(1200, 1200), mpp=(0.5, 0.5))
    run = CliRunner().invoke(
        command, ["encode", str(path), "--device", "cpu", "--tiles", "2", "--rounds", "1", "--json"]
    )
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    rows = {row["runtime"]: row for row in told["rows"] if row["encoder"] == "efficientnet_lite0"}
    assert set(rows) == set(RUNTIMES.names)
    assert rows["torch-float32"]["cosine_to_float32"] > 0.99999
    assert rows["torch-float32"]["tiles_per_s"] > 0
    assert rows["torch-float16"]["why_not"]
    assert sum(row["chosen"] for row in rows.values()) == 1


def test_classify_gives_what_the_interface_promises(make_tiff):
    path = make_tiff(picture=tissue_picture(1200, 1500))
    run = CliRunner().invoke(command, ["classify", str(path), "--seconds", "30", "--json"])
    assert run.exit_code == 0, run.output
    figures = json.loads(run.stdout)
    assert {"tiles_per_s", "share_of_bound", "first_attention_s", "peak_rss_mb"} <= set(figures)
    assert figures["first_attention_warm_s"] > 0 < figures["first_attention_s"]
    rates = [1 / figures[of] for of in ("encode_tiles_per_s", "decode_tiles_per_s")]
    assert abs(figures["bound_tiles_per_s"] * sum(rates) - 1) < 0.01
    assert 0 < figures["peak_rss_over_model_mb"] < figures["peak_rss_mb"]
