"""Folders and URLs come in through napari's reader too."""

from __future__ import annotations

import pytest

pytest.importorskip("napari")

from napari_mmlnb.viewer import reader
from napari_mmlnb.viewer.slide_layer import SLIDE_KEY
from tests.slides.backends.file_server import serve
from tests.slides.backends.made_zarr import write_ome_zarr
from tests.slides.made import tissue_picture

PLUGIN = "napari-mmlnb"


def test_an_ome_zarr_folder(make_napari_viewer, tmp_path):
    path = write_ome_zarr(tmp_path / "case.ome.zarr", tissue_picture(300, 400))
    viewer = make_napari_viewer()
    (layer,) = viewer.open(path, plugin=PLUGIN)
    assert layer.name == "case"
    assert layer.metadata[SLIDE_KEY].backend == "ome-zarr"


def test_a_folder_that_is_no_slide_is_left_to_others(tmp_path):
    (tmp_path / "case.zarr").mkdir()
    assert reader.get_reader(str(tmp_path / "case.zarr")) is None


def test_a_url(make_napari_viewer, make_tiff, tmp_path):
    make_tiff("case.tiff", picture=tissue_picture(300, 400))
    viewer = make_napari_viewer()
    with serve(tmp_path) as web:
        assert reader.get_reader(f"{web.url}/case.tiff") is not None
        assert not web.behaviour.requests
        (layer,) = viewer.open(f"{web.url}/case.tiff", plugin=PLUGIN)
        assert layer.metadata[SLIDE_KEY].backend == "remote"
        assert layer.name == "case"
        viewer.layers.clear()


@pytest.mark.parametrize("url", ["ftp://host/a.svs", "https://"])
def test_no_reader_for_urls_of_other_kinds(url):
    assert reader.get_reader(url) is None
