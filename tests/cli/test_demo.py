"""`mmlnb demo`: the whole job where there is no screen, no slide and no network."""

from __future__ import annotations

import json
import sys

import pytest

from napari_mmlnb.cli.demo import has_display


def test_the_demo_finds_the_subtype_of_its_phantom(mmlnb_process, tmp_path):
    out = tmp_path / "demo"
    done = mmlnb_process("demo", "--out", out)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} >= {
        "phantom.tiff",
        "phantom.truth.json",
        "result.json",
        "report.pdf",
        "regions.geojson",
        "attention.ome.tif",
        "thumbnail.png",
    }
    truth = json.loads((out / "phantom.truth.json").read_text())
    result = json.loads((out / "result.json").read_text())
    assert result["decision"] == "predict"
    assert result["prediction"] == truth["subtype"]
    assert f"True subtype: {truth['subtype']}; predicted: {truth['subtype']}" in done.stdout
    assert str(out) in done.stdout


@pytest.mark.parametrize(
    ("environment", "answer"),
    [({}, False), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "wayland-0"}, True)],
)
def test_a_display_is_found(monkeypatch, environment, answer):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert has_display() is answer


def test_no_viewer_without_napari(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("napari_mmlnb.cli.view.find_spec", lambda _name: None)
    assert has_display() is False
