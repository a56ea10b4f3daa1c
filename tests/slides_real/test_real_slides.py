"""Real slides: the Aperio original, its DICOM copy, and an OME-TIFF."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tile_grid import build_tile_grid
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.slides.tissue import find_tissue

DICOM = "CMU-1-Small-Region-dicom"
OME = "OS-1-detail.ome.tif"


@pytest.fixture(scope="module")
def svs(real_svs):
    with open_slide(real_svs) as slide:
        yield slide


@pytest.fixture(scope="module")
def dicom(real_slides):
    with open_slide(real_slides / DICOM) as slide:
        yield slide


def test_the_dicom_copy_is_the_same_slide(svs, dicom):
    assert svs.mpp == dicom.mpp
    assert svs.mpp.xy == (0.499, 0.499)
    assert (svs.mpp_source, dicom.mpp_source) == ("aperio.MPP", "dicom.PixelSpacing")
    assert svs.grids == dicom.grids
    difference = np.abs(svs.thumbnail(800)[0].astype(int) - dicom.thumbnail(800)[0])
    assert difference.mean() < 2


def test_the_dicom_copy_has_the_same_tissue(svs, dicom):
    first, second = find_tissue(svs), find_tissue(dicom)
    assert first.area_mm2 == pytest.approx(second.area_mm2, rel=0.01)
    assert 0.55 < first.area_mm2 < 0.75


def test_glass_corners_are_no_tissue_and_the_skin_is(svs):
    tissue = find_tissue(svs)
    assert not tissue.mask[100:150, :30].any()
    assert not tissue.mask[20:, 125:].any()
    assert tissue.mask[120:170, 50:100].mean() > 0.97


def test_one_dicom_instance_stands_for_the_folder(real_slides, dicom):
    for instance in sorted((real_slides / DICOM).glob("*.dcm")):
        with open_slide(instance) as slide:
            assert slide.fingerprint == dicom.fingerprint
            assert (slide.read(0, 1000, 1000, 64, 64) == dicom.read(0, 1000, 1000, 64, 64)).all()


def test_our_own_decoding_of_the_svs_equals_openslides(real_svs, svs):
    with open_slide(real_svs, backend="tiff") as slide:
        assert slide.mpp == svs.mpp
        assert slide.mpp_source == "aperio.MPP"
        assert slide.grids == svs.grids
        assert set(slide.metadata.associated) == set(svs.metadata.associated)
        for window in ((0, 0, 500, 500), (1301, 777, 333, 512), (2800, 2100, 300, 300)):
            assert (slide.read(0, *window) == svs.read(0, *window)).all()


def test_the_ome_tiff(real_slides):
    with open_slide(real_slides / OME) as slide:
        assert slide.backend == "tiff"
        assert slide.mpp_source == "ome.PhysicalSizeX"
        assert slide.mpp.xy == pytest.approx((0.2270972, 0.2271024))
        assert (slide.read(0, 0, 0, 1101, 1101) == tifffile.imread(real_slides / OME)).all()
        red, green, blue = slide.thumbnail(200)[0].reshape(-1, 3).mean(axis=0)
        assert green < min(red, blue)
        assert find_tissue(slide, 4.0).fraction > 0.95


def test_tiles_of_a_real_slide(svs):
    tiles = build_tile_grid(find_tissue(svs))
    with TileReader(svs, tiles) as reader:
        batches = list(reader)
    assert sum(len(batch) for batch in batches) == len(tiles) > 40
    pixels = np.concatenate([batch.pixels for batch in batches])
    assert all(batch.readable.all() for batch in batches)
    # Skin: at least some light is absorbed in every tile, and most in green.
    means = pixels.reshape(len(pixels), -1, 3).mean(axis=1)
    assert (means[:, 1] < 225).all()
    assert (means[:, 1] < means[:, 0]).all()
