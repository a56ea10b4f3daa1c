from __future__ import annotations

import hashlib
import json

import cv2
import numpy as np
import openslide
import pytest
import tifffile

from napari_mmlnb.errors import OutputError, RequestError, UnknownNameError
from napari_mmlnb.phantom.slide import render_phantom, truth_path, write_phantom
from napari_mmlnb.phantom.truth import PhantomTruth

from .conftest import SMALL


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_seed_gives_the_same_bytes_whatever_the_threads(written, tmp_path):
    path, _ = written
    again = tmp_path / "other name.tiff"
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1 if threads != 1 else 2)
    try:
        write_phantom(again, subtype="d", seed=11, size=SMALL)
    finally:
        cv2.setNumThreads(threads)
    assert _digest(again) == _digest(path)
    assert _digest(truth_path(again)) == _digest(truth_path(path))


def test_another_seed_and_another_subtype_give_other_slides():
    first = render_phantom(subtype="pd", seed=1, size=(300, 300), mpp=1.0)[0]
    assert (first != render_phantom(subtype="pd", seed=2, size=(300, 300), mpp=1.0)[0]).mean() > 0.2
    assert (first != render_phantom(subtype="ud", seed=1, size=(300, 300), mpp=1.0)[0]).mean() > 0.2


def test_openslide_opens_every_level_with_the_right_scale(written):
    path, _ = written
    with openslide.OpenSlide(path) as slide:
        assert slide.properties["openslide.vendor"] == "generic-tiff"
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.5)
        assert float(slide.properties["openslide.mpp-y"]) == pytest.approx(0.5)
        assert slide.level_dimensions == (SMALL, (SMALL[0] // 2, SMALL[1] // 2))
        level = np.array(slide.read_region((0, 0), 0, SMALL).convert("RGB"))
    rgb = render_phantom(subtype="d", seed=11, size=SMALL)[0]
    # What JPEG and its coarser chroma change, and no more: colours are not swapped.
    assert np.abs(level.astype(int) - rgb).mean() < 6
    assert np.abs(level.mean(axis=(0, 1)) - rgb.mean(axis=(0, 1))).max() < 1


def test_tifffile_opens_every_level_and_the_file_names_no_time(written):
    path, _ = written
    with tifffile.TiffFile(path) as tiff:
        assert [page.shape for page in tiff.pages] == [(1152, 1536, 3), (576, 768, 3)]
        assert [int(page.subfiletype) for page in tiff.pages] == [0, 1]
        assert tiff.pages[0].tile == (256, 256)
        means = [page.asarray().mean(axis=(0, 1)) for page in tiff.pages]
        assert "DateTime" not in tiff.pages[0].tags
    assert np.abs(means[0] - means[1]).max() < 1.5


@pytest.mark.parametrize(("size", "mpp"), [((1100, 1300), 0.25), ((601, 513), 1.0), ((999, 1024), 0.4)])
def test_sizes_and_scales(tmp_path, size, mpp):
    path = tmp_path / "slide.tiff"
    truth = write_phantom(path, subtype="pd", seed=3, size=size, mpp=mpp)
    with openslide.OpenSlide(path) as slide:
        assert slide.dimensions == size
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(mpp, rel=1e-6)
    assert truth.size_px == size
    assert truth.mpp == mpp


def test_the_same_tissue_lies_at_the_same_place_at_every_scale():
    coarse, _, first = render_phantom(subtype="d", seed=4, size=(512, 512), mpp=1.0)
    fine, _, second = render_phantom(subtype="d", seed=4, size=(1024, 1024), mpp=0.5)
    assert first.regions == second.regions
    assert first.cells == second.cells
    small = cv2.resize(fine, (64, 64), interpolation=cv2.INTER_AREA).mean(axis=2)
    other = cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_AREA).mean(axis=2)
    assert np.corrcoef(small.ravel(), other.ravel())[0, 1] > 0.9


def test_a_stain_shift_changes_colours_and_not_the_tissue():
    plain, _, truth = render_phantom(subtype="ud", seed=8, size=(300, 300), mpp=1.0)
    shifted, _, other = render_phantom(subtype="ud", seed=8, size=(300, 300), mpp=1.0, stain_shift=1.0)
    assert truth.regions == other.regions
    assert np.abs(plain.astype(int) - shifted).mean() > 5


def test_the_glass_is_blank_and_the_tissue_is_not():
    rgb, _, truth = render_phantom(subtype="pd", seed=6, size=(2048, 2048))
    tissue = truth.tile_map("tissue")
    means, spreads = np.empty(tissue.shape), np.empty(tissue.shape)
    for row, column in np.ndindex(tissue.shape):
        tile = rgb[row * 224 : row * 224 + 224, column * 224 : column * 224 + 224]
        means[row, column], spreads[row, column] = tile.mean(), tile.std()
    assert 0.2 < tissue.mean() < 0.95
    assert spreads[tissue == 1].min() > 4 * max(np.median(spreads[tissue == 0]), 1.0)
    assert means[tissue == 1].max() < np.median(means[tissue == 0])


def test_the_truth_beside_the_slide_is_the_one_returned(written):
    path, truth = written
    assert PhantomTruth.from_file(path.with_suffix(".truth.json")) == truth
    raw = json.loads(path.with_suffix(".truth.json").read_text())
    assert {"subtype", "seed", "mpp", "regions", "cells", "tile_attributes"} <= set(raw)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(OutputError):
        write_phantom(tmp_path / "nowhere" / "slide.tiff", subtype="d", seed=0, size=(600, 600))


def test_nothing_is_left_behind_when_drawing_fails(tmp_path):
    with pytest.raises(UnknownNameError):
        write_phantom(tmp_path / "slide.tiff", subtype="gnb", seed=0, size=(600, 600))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong", [{"size": (100, 4096)}, {"mpp": 0.01}, {"mpp": 9.0}, {"seed": -1}, {"stain_shift": -0.5}]
)
def test_requests_out_of_range_are_refused(wrong):
    request = {"subtype": "d", "seed": 0, "size": (600, 600), **wrong}
    with pytest.raises(RequestError):
        render_phantom(**request)
