"""A slide that stays open is not read, loaded or rated again for another region of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.inference import feature_cache, gathering, slide_view
from napari_mmlnb.inference.runner import classify
from napari_mmlnb.inference.settings import RunSettings
from napari_mmlnb.slides.slide import open_slide
from tests.bundle_factory import make_bundle
from tests.slides.made import tissue_picture, write_tiff

WIDTH = 1900


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiff(tmp_path_factory.mktemp("slides") / "some.tiff", picture=tissue_picture(WIDTH, WIDTH))


@pytest.fixture
def left_half(tmp_path: Path) -> Path:
    corners = [[0, 0], [WIDTH // 2, 0], [WIDTH // 2, WIDTH], [0, WIDTH], [0, 0]]
    polygon = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [corners]}}
    file = tmp_path / "left.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [polygon]}))
    return file


def test_another_region_of_an_open_slide_needs_neither_the_disk_nor_the_encoder(
    bundle: Bundle, path: Path, left_half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = RunSettings(roi=left_half)
    alone = classify(path, bundle, settings=RunSettings(roi=left_half, cache_bytes=0))
    with open_slide(path) as slide:
        whole = classify(slide, bundle)

        def nothing(*args: object, **kwargs: object) -> object:
            pytest.fail("everything is known")

        monkeypatch.setattr(feature_cache.FeatureCache, "load", nothing)
        monkeypatch.setattr(gathering, "rate_tiles", nothing)
        monkeypatch.setattr(slide_view, "find_tissue", nothing)
        half = classify(slide, bundle, settings=region)
        again = classify(slide, bundle)
    assert 4 < half.coverage.tiles_used < whole.coverage.tiles_used
    assert half.timings["tiles_from_cache"] == half.coverage.tiles_used
    assert half.coverage == alone.coverage
    assert half.probabilities.fused == pytest.approx(alone.probabilities.fused, abs=1e-4)
    np.testing.assert_allclose(half.maps.attention, alone.maps.attention, rtol=1e-3)
    assert [e.region_um for e in half.evidence] == [e.region_um for e in alone.evidence]
    assert again.probabilities == whole.probabilities, "a region takes nothing away from what is known of the whole"


def test_without_the_cache_nothing_of_the_run_before_is_used(
    bundle: Bundle, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_slide(path) as slide:
        classify(slide, bundle)
        anew = classify(slide, bundle, settings=RunSettings(cache_bytes=0))
    assert anew.timings["tiles_from_cache"] == 0


def test_another_bundle_asks_for_itself(bundle: Bundle, path: Path, tmp_path: Path) -> None:
    other = make_bundle(tmp_path, name="other")
    with open_slide(path) as slide:
        first, second = classify(slide, bundle), classify(slide, other)
    assert second.model.name == "other" != first.model.name
    assert second.probabilities is not None
