"""`regions.geojson`: level-0 pixels, valid polygons, what QuPath reads; no path, and no class in an abstention."""

import json
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.report.geojson import geojson_text
from tests.report.factories import LABELS, SLIDE_PATH, make_result


def parsed(result):
    return json.loads(geojson_text(result), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def with_mpp(result, mpp):
    slide = result.slide.model_copy(update={"mpp": mpp})
    return result.model_copy(update={"slide": slide}).with_maps(result.maps)


def with_bounds(result, bounds):
    slide = result.slide.model_copy(update={"bounds_px": bounds})
    return result.model_copy(update={"slide": slide}).with_maps(result.maps)


def points(collection):
    """All coordinates of a collection, (n, 2), (x, y)."""
    found = []
    for feature in collection["features"]:
        geometry = feature["geometry"]
        polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
        found += [point for polygon in polygons for ring in polygon for point in ring]
    return np.array(found)


def area(ring):
    x, y = np.array(ring).T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


def test_evidence_lies_at_its_micrometres_on_unequal_axes():
    result = with_mpp(make_result(), (0.25, 0.5))
    for feature, evidence in zip(parsed(result)["features"], result.evidence, strict=False):
        (ring,) = feature["geometry"]["coordinates"]
        y, x, height, width = evidence.region_um
        xs, ys = np.array(ring).T
        assert (xs.min(), xs.max()) == pytest.approx((x / 0.25, (x + width) / 0.25), abs=1e-3)
        assert (ys.min(), ys.max()) == pytest.approx((y / 0.5, (y + height) / 0.5), abs=1e-3)


def test_pixels_are_counted_from_the_corner_of_what_was_scanned():
    """As QuPath does, which leaves out the margin of an MRXS slide that was never scanned."""
    result = with_mpp(make_result(), (0.25, 0.5))
    whole, cropped = parsed(result), parsed(with_bounds(result, (40, 70, 5000, 6000)))
    assert points(cropped) == pytest.approx(points(whole) - (70, 40), abs=1e-9)


@pytest.mark.parametrize(("bounds", "origin"), [(None, [0, 0]), ((40, 70, 5000, 6000), [70, 40])])
def test_the_file_says_from_where_it_counts(bounds, origin):
    run = parsed(with_bounds(make_result(), bounds))["run"]
    assert run["origin_px"] == origin
    assert run["bounds_px"] == (None if bounds is None else list(bounds))


def test_rings_are_closed_and_turn_as_rfc_7946_asks():
    for feature in parsed(make_result())["features"]:
        geometry = feature["geometry"]
        polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
        for exterior, *holes in polygons:
            assert area(exterior) > 0
            assert all(area(hole) < 0 for hole in holes)
            assert all(ring[0] == ring[-1] and len(ring) >= 4 for ring in (exterior, *holes))


def test_the_tissue_has_the_area_of_its_mask():
    result = with_mpp(make_result(), (0.4, 0.8))
    tissue = parsed(result)["features"][-1]
    assert tissue["properties"]["name"] == "Tissue"
    rings = tissue["geometry"]["coordinates"]
    assert len(rings) == 2, "one part with one hole"
    sy, sx = result.maps.tissue_grid.spacing_um
    assert sum(map(area, rings)) * 0.4 * 0.8 == pytest.approx(result.maps.tissue.sum() * sy * sx, rel=1e-6)


def test_several_pieces_are_one_multipolygon():
    result = make_result()
    mask = np.zeros((4, 4), bool)
    mask[0, 0] = mask[2:, 2:] = True
    maps = replace(result.maps, tissue=mask, tissue_grid=PixelGrid((4, 4), (10, 10)))
    tissue = parsed(result.with_maps(maps))["features"][-1]
    assert tissue["geometry"]["type"] == "MultiPolygon"
    assert len(tissue["geometry"]["coordinates"]) == 2


def test_properties_are_those_that_qupath_reads():
    result = make_result()
    features = parsed(result)["features"]
    assert len({feature["id"] for feature in features}) == len(features)
    for feature in features:
        uuid.UUID(feature["id"])
        properties = feature["properties"]
        assert properties["objectType"] == "annotation"
        assert isinstance(properties["name"], str)
        assert all(isinstance(value, float) for value in properties["measurements"].values())
    for feature, evidence in zip(features, result.evidence, strict=False):
        best = max(evidence.contribution, key=evidence.contribution.get)
        classification = feature["properties"]["classification"]
        assert classification["name"] == LABELS[best]
        assert all(isinstance(part, int) and 0 <= part <= 255 for part in classification["color"])
        assert feature["properties"]["measurements"]["Attention (slide mean = 1)"] == evidence.attention


def test_the_same_run_gives_the_same_identities():
    assert geojson_text(make_result()) == geojson_text(make_result())


def test_an_abstention_names_no_class_and_no_attention():
    text = geojson_text(make_result("abstain"))
    assert '"classification"' not in text
    assert "Attention" not in text
    assert "Contribution" not in text
    for label in LABELS.values():
        assert label not in text
    names = [feature["properties"]["name"] for feature in json.loads(text)["features"][:-1]]
    assert all("not evidence" in name for name in names)


@pytest.mark.parametrize("decision", ["predict", "abstain"])
def test_neither_path_nor_file_name_leaves(decision):
    text = geojson_text(make_result(decision))
    assert Path(SLIDE_PATH).name not in text
    assert "Doe^Jane" not in text
    assert make_result().slide.fingerprint in text
