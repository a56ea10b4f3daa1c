"""A slide whose scan fills a part of its canvas, from the command line and back to it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_mmlnb.slides.slide import open_slide
from tests.slides.made_scn import write_scn

CORNER = (384, 640)


@pytest.fixture(scope="module")
def bounded(phantom_slide, tmp_path_factory):
    """The phantom as a scan on a larger canvas."""
    with open_slide(phantom_slide) as slide:
        scan = slide.read(0, 0, 0, *slide.grids[0].shape)
    path = tmp_path_factory.mktemp("bounded") / "slide.scn"
    return write_scn(path, scan, canvas_px=(2000, 2400), corner_px=CORNER, mpp=0.5)


def corners(feature):
    (ring,) = feature["geometry"]["coordinates"]
    return np.array(ring[:-1])


def test_what_qupath_gets_can_be_given_back(mmlnb, bounded, model, tmp_path):
    facts = json.loads(mmlnb("info", bounded, "--json").stdout)
    assert facts["bounds_px"] == [*CORNER, 1024, 1024]
    done = mmlnb("classify", bounded, "--out", tmp_path / "out", "--model", model)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["slide"]["bounds_px"] == [*CORNER, 1024, 1024]
    assert result["slide"]["icc"] is None
    assert result["settings"]["analysis_colours"] == "raw"
    assert result["coverage"]["tissue_mm2"] < (1024 * 0.5e-3) ** 2

    regions = json.loads((tmp_path / "out" / "regions.geojson").read_text())
    for feature, evidence in zip(regions["features"], result["evidence"], strict=False):
        y, x, height, width = evidence["region_um"]
        inside = corners(feature)
        assert inside.min(axis=0) == pytest.approx((x / 0.5 - CORNER[1], y / 0.5 - CORNER[0]), abs=1e-3)
        assert inside.max(axis=0) == pytest.approx(((x + width) / 0.5 - CORNER[1], (y + height) / 0.5 - CORNER[0]))

    # QuPath gives the first tile back as the only region, without our own words about the run.
    roi = tmp_path / "roi.geojson"
    roi.write_text(json.dumps({"type": "FeatureCollection", "features": regions["features"][:1]}))
    done = mmlnb("classify", bounded, "--out", tmp_path / "again", "--model", model, "--roi", roi)
    assert done.returncode == 0, done.stderr
    again = json.loads((tmp_path / "again" / "result.json").read_text())
    assert [evidence["region_um"] for evidence in again["evidence"]] == [result["evidence"][0]["region_um"]]
