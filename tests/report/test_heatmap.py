"""`attention.ome.tif`: what goes in comes out, and others can read where it lies."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mmlnb.errors import RequestError
from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.report.heatmap import NOT_VALID, read_heatmap, write_heatmap
from napari_mmlnb.result import TileState
from tests.report.factories import SLIDE_PATH, make_maps, make_result


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.tuples(st.floats(0.01, 1e4), st.floats(0.01, 1e4)),
    st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)),
    st.tuples(st.floats(-10, 0), st.floats(0.5, 50)),
    st.sampled_from(["predict", "abstain"]),
)
def test_round_trip(shape, spacing, origin, limits, decision):
    maps = replace(make_maps(shape), grid=PixelGrid(shape, spacing, origin), attention_limits=limits)
    result = make_result(decision, evidence_count=0).with_maps(maps)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "attention.ome.tif"
        write_heatmap(result, path)
        heatmap = read_heatmap(path)
    assert heatmap.grid == maps.grid
    assert heatmap.attention_limits == limits
    assert heatmap.valid == (decision == "predict")
    np.testing.assert_array_equal(heatmap.attention, maps.attention)
    np.testing.assert_array_equal(heatmap.state, maps.state)
    assert list(heatmap.contribution) == list(maps.contribution)
    for name, values in maps.contribution.items():
        np.testing.assert_array_equal(heatmap.contribution[name], values)


@pytest.mark.parametrize(("decision", "mark"), [("predict", ""), ("abstain", NOT_VALID)])
def test_channels_are_named_and_an_abstention_marks_them(tmp_path, decision, mark):
    path = tmp_path / "attention.ome.tif"
    write_heatmap(make_result(decision), path)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_ome
        ome = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
        assert tiff.series[0].dtype == np.float32
    names = [channel["Name"] for channel in ome["Channel"]]
    assert names == [f"attention{mark}", *(f"contribution_{c}{mark}" for c in ("pd", "ud", "d")), "state"]
    assert (ome["PhysicalSizeX"], ome["PhysicalSizeXUnit"]) == (112.0, "µm")


def test_it_carries_no_path(tmp_path):
    path = tmp_path / "attention.ome.tif"
    write_heatmap(make_result(), path)
    assert Path(SLIDE_PATH).name.encode() not in path.read_bytes()


def test_a_slide_without_a_single_tile_is_written_as_no_tissue(tmp_path):
    empty = np.zeros((0, 3), np.float32)
    maps = replace(
        make_maps(),
        grid=PixelGrid((0, 3), (112, 112)),
        attention=empty,
        contribution={"ud": empty},
        state=empty.astype(np.uint8),
    )
    write_heatmap(make_result("abstain").with_maps(maps), tmp_path / "a.ome.tif")
    heatmap = read_heatmap(tmp_path / "a.ome.tif")
    assert heatmap.state.tolist() == [[TileState.NO_TISSUE]]
    assert np.isnan(heatmap.attention).all()


def test_another_file_is_refused(tmp_path):
    for name, write in {
        "plain.tif": lambda path: tifffile.imwrite(path, np.zeros((4, 4), np.uint8)),
        "other.ome.tif": lambda path: tifffile.imwrite(path, np.zeros((4, 4), np.uint8), ome=True),
        "text.tif": lambda path: path.write_text("no image"),
    }.items():
        write(tmp_path / name)
        with pytest.raises(RequestError, match="not an attention map"):
            read_heatmap(tmp_path / name)
