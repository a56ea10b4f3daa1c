from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.errors import RequestError
from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.roi import Polygon, Roi, read_roi

SQUARE = [[10, 20], [50, 20], [50, 100], [10, 100], [10, 20]]
HOLE = [[20, 40], [40, 40], [40, 80], [20, 80], [20, 40]]


def feature(kind, coordinates):
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "id": "PathAnnotationObject", "geometry": geometry, "properties": {"isLocked": False}}


ONE = PixelGrid((1000, 1000), (1.0, 1.0))


def roi_of(tmp_path, content, scanned=ONE) -> Roi:
    path = tmp_path / "roi.geojson"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_roi(path, scanned)


@pytest.mark.parametrize(
    "content",
    [
        {"type": "FeatureCollection", "features": [feature("Polygon", [SQUARE])]},
        [feature("Polygon", [SQUARE])],
        feature("MultiPolygon", [[SQUARE]]),
        {"type": "Polygon", "coordinates": [SQUARE]},
        {"type": "GeometryCollection", "geometries": [{"type": "Polygon", "coordinates": [SQUARE]}]},
    ],
)
def test_every_form_that_qupath_writes(tmp_path, content):
    mask = roi_of(tmp_path, content).rasterise(PixelGrid((120, 60), (1.0, 1.0)))
    expected = np.zeros((120, 60), bool)
    expected[20:100, 10:50] = True
    assert (mask == expected).all()


def test_pixels_become_micrometres_each_axis_on_its_own(tmp_path):
    roi = roi_of(tmp_path, feature("Polygon", [SQUARE]), PixelGrid((500, 500), (0.5, 0.25)))
    assert roi.polygons[0].rings[0].min(axis=0).tolist() == [10.0, 2.5]
    mask = roi.rasterise(PixelGrid((60, 20), (1.0, 1.0)))
    assert mask.sum() == 40 * 10


def test_pixels_are_counted_from_the_corner_of_what_was_scanned(tmp_path):
    scanned = PixelGrid((500, 500), (0.5, 0.25), (150.0, 40.0))
    roi = roi_of(tmp_path, feature("Polygon", [SQUARE]), scanned)
    assert roi.polygons[0].rings[0].min(axis=0).tolist() == [160.0, 42.5]


@pytest.mark.parametrize(("origin", "corner"), [([0, 0], [10.0, 2.5]), ([400, 30], [25.0, 102.5])])
def test_a_file_that_says_from_where_it_counts_is_believed(tmp_path, origin, corner):
    """Our own `regions.geojson` does, and a person may say so of a slide that QuPath opened with --no-crop."""
    content = {"type": "FeatureCollection", "features": [feature("Polygon", [SQUARE])], "run": {"origin_px": origin}}
    roi = roi_of(tmp_path, content, PixelGrid((500, 500), (0.5, 0.25), (150.0, 40.0)))
    assert roi.polygons[0].rings[0].min(axis=0).tolist() == corner


@pytest.mark.parametrize("origin", [[1], "ab", [1, 2, 3], ["a", 2], {"x": 1}, 7, [float("inf"), 0]])
def test_a_malformed_origin_is_refused(tmp_path, origin):
    content = {"type": "FeatureCollection", "features": [feature("Polygon", [SQUARE])], "run": {"origin_px": origin}}
    with pytest.raises(RequestError, match=r"roi\.geojson"):
        roi_of(tmp_path, content)


def test_holes_are_left_out_and_overlaps_joined(tmp_path):
    grid = PixelGrid((120, 60), (1.0, 1.0))
    with_hole = roi_of(tmp_path, feature("Polygon", [SQUARE, HOLE])).rasterise(grid)
    assert with_hole.sum() == 40 * 80 - 20 * 40
    both = roi_of(tmp_path, [feature("Polygon", [SQUARE]), feature("Polygon", [HOLE])]).rasterise(grid)
    assert both.sum() == 40 * 80


def test_what_lies_beyond_the_slide_is_cut(tmp_path):
    roi = roi_of(tmp_path, feature("Polygon", [[[-50, -50], [500, -50], [500, 5], [-50, 5]]]))
    assert roi.rasterise(PixelGrid((10, 12), (1.0, 1.0))).sum() == 5 * 12


@given(st.lists(st.tuples(st.floats(-20, 120), st.floats(-20, 120)), min_size=3, max_size=9))
def test_every_pixel_agrees_with_the_even_odd_rule(points):
    ring = np.array(points)
    mask = Roi((Polygon((ring,)),)).rasterise(PixelGrid((25, 30), (4.0, 3.0)))
    ys, xs = (np.arange(25) + 0.5) * 4.0, (np.arange(30) + 0.5) * 3.0
    inside = np.zeros((25, 30), bool)
    distance = np.full((25, 30), np.inf)
    for (y0, x0), (y1, x1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        for i, y in enumerate(ys):
            if (y0 <= y) == (y1 <= y):
                continue
            crossing = x0 + (y - y0) / (y1 - y0) * (x1 - x0)
            inside[i] ^= xs > crossing
            distance[i] = np.minimum(distance[i], np.abs(xs - crossing))
    clear = distance > 1e-6
    assert (mask == inside)[clear].all()


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        "[]",
        "{}",
        "3",
        {"type": "FeatureCollection", "features": []},
        {"type": "FeatureCollection"},
        feature("LineString", SQUARE),
        feature("Point", [1, 2]),
        feature("Polygon", []),
        feature("Polygon", [[[1, 2], [3, 4]]]),
        feature("Polygon", [[["a", 2], [3, 4], [5, 6]]]),
        feature("Polygon", [[[1], [3], [5]]]),
        feature("Polygon", [[[1, 2], [3, 4], [float("nan"), 6]]]),
        feature("Polygon", [[1, 2, 3]]),
        feature("Polygon", "SQUARE"),
        {"type": "Feature", "geometry": None},
        "[" * 100_000,
    ],
)
def test_malformed_files_are_refused(tmp_path, content):
    with pytest.raises(RequestError, match=r"roi\.geojson"):
        roi_of(tmp_path, content)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(RequestError, match="cannot be read"):
        read_roi(tmp_path / "gone.geojson", ONE)
