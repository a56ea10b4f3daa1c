from __future__ import annotations

import gc
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_mmlnb.errors import (
    ImplausibleMppError,
    MppMissingError,
    SlideFormatError,
    SlideNotFoundError,
    SlideReadError,
    TileReadError,
    UnknownNameError,
)
from napari_mmlnb.geometry import Mpp, Region
from napari_mmlnb.slides.slide import open_slide
from tests.slides.made import tissue_picture, write_tiff


def test_a_slide_says_what_it_is(make_tiff):
    with open_slide(make_tiff(downsamples=(4.0,), mpp=(0.25, 0.31))) as slide:
        assert slide.mpp.xy == pytest.approx((0.25, 0.31))
        assert slide.mpp_source == "tiff.XResolution"
        assert slide.backend == "tiff"
        assert [grid.shape for grid in slide.grids] == [(600, 700), (150, 175)]
        assert slide.grids[1].spacing_um == pytest.approx((0.31 * 4, 0.25 * 4))
        assert slide.metadata.tile_px == (256, 256)


@pytest.mark.parametrize("given", [0.3, (0.3, 0.3), Mpp(0.3, 0.3)])
def test_a_given_scale_overrides_the_files_and_is_recorded(make_tiff, given):
    with open_slide(make_tiff(mpp=(0.25, 0.25)), mpp=given) as slide:
        assert slide.mpp == Mpp(0.3, 0.3)
        assert slide.mpp_source == "given by the user"
        assert slide.grids[0].spacing_um == (0.3, 0.3)


def test_given_as_a_pair_x_comes_first(make_tiff):
    with open_slide(make_tiff(), mpp=(0.2, 0.4)) as slide:
        assert slide.grids[0].spacing_um == (0.4, 0.2)


@pytest.mark.parametrize("dpi", [1, 72, 96, 300])
def test_a_screens_resolution_is_no_scale(tmp_path, dpi):
    path = tmp_path / "screen.tiff"
    picture = np.zeros((300, 300, 3), np.uint8)
    tifffile.imwrite(path, picture, tile=(256, 256), resolution=(dpi, dpi), resolutionunit="INCH", metadata=None)
    with pytest.raises(MppMissingError, match="--mpp"):
        open_slide(path)
    open_slide(path, mpp=0.5).close()


def test_no_scale_at_all(make_tiff):
    with pytest.raises(MppMissingError, match="does not say"):
        open_slide(make_tiff(mpp=None))


@pytest.mark.parametrize("mpp", [0.01, 25.0, float("nan"), -1.0, (0.5, 100.0)])
def test_an_implausible_scale_is_refused(make_tiff, mpp):
    with pytest.raises(ImplausibleMppError):
        open_slide(make_tiff(), mpp=mpp)


def test_bad_paths(tmp_path):
    with pytest.raises(SlideNotFoundError):
        open_slide(tmp_path / "gone.svs")
    (tmp_path / "letter.svs").write_text("Dear colleague")
    with pytest.raises(SlideFormatError, match="OME-TIFF"):
        open_slide(tmp_path / "letter.svs")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SlideFormatError):
        open_slide(tmp_path / "empty")
    for backend in ("tiff", "openslide"):
        with pytest.raises(SlideFormatError):
            open_slide(tmp_path / "letter.svs", backend=backend)


def test_an_unknown_backend_lists_the_known_ones(make_tiff):
    with pytest.raises(UnknownNameError, match="openslide, tiff"):
        open_slide(make_tiff(), backend="magic")


@pytest.mark.parametrize("backend", ["tiff", "openslide"])
def test_beyond_the_edge_is_white(make_tiff, backend):
    picture = np.full((300, 400, 3), 40, np.uint8)
    with open_slide(make_tiff(picture=picture), backend=backend) as slide:
        assert slide.backend == backend
        out = slide.read(0, -20, 380, 50, 50)
        assert (out[20:, :20] == 40).all()
        assert (out[:20] == 255).all()
        assert (out[:, 20:] == 255).all()
        assert (slide.read(0, 5000, 5000, 8, 8) == 255).all()


@pytest.mark.parametrize("backend", ["tiff", "openslide"])
def test_pixels_are_the_files_from_several_threads(make_tiff, backend):
    picture = np.random.default_rng(1).integers(0, 256, (900, 800, 3), dtype=np.uint8)
    with open_slide(make_tiff(picture=picture), backend=backend) as slide, ThreadPoolExecutor(4) as pool:
        corners = [(y, x) for y in range(0, 700, 97) for x in range(0, 600, 89)]
        parts = pool.map(lambda corner: slide.read(0, *corner, 200, 190), corners)
        for (y, x), part in zip(corners, parts, strict=True):
            assert (part == picture[y : y + 200, x : x + 190]).all()


def test_a_region_at_the_slides_own_scale_is_the_raw_pixels(make_tiff):
    picture = np.random.default_rng(1).integers(0, 256, (600, 700, 3), dtype=np.uint8)
    with open_slide(make_tiff(picture=picture, mpp=(0.499, 0.499))) as slide:
        out = slide.read_region(Region(112 * 0.499, 33 * 0.499, 224 * 0.499, 200 * 0.499), 0.499)
        assert (out == picture[112:336, 33:233]).all()


def test_half_the_scale_is_the_mean_of_four_pixels(make_tiff):
    picture = np.random.default_rng(1).integers(0, 256, (600, 700, 3), dtype=np.uint8)
    with open_slide(make_tiff(picture=picture, mpp=(0.25, 0.25))) as slide:
        out = slide.read_region(Region(25.0, 10.0, 100.0, 50.0), 0.5)
    mean = picture[100:500, 40:240].reshape(200, 2, 100, 2, 3).mean(axis=(1, 3))
    assert out.shape == mean.shape
    assert np.abs(out - mean).max() <= 0.5


def test_a_region_comes_from_a_level_that_is_fine_enough(make_tiff):
    """Level 1 is blank here, so that whoever reads it by mistake is seen."""
    picture = np.full((800, 800, 3), 10, np.uint8)
    path = make_tiff(picture=picture, mpp=(0.25, 0.25), downsamples=(4.0,))
    with tifffile.TiffFile(path, mode="r+") as tif:
        page = tif.pages[1]
        blank = page.dataoffsets[0], page.databytecounts[0]
    with path.open("r+b") as file:
        file.seek(blank[0])
        file.write(bytes(blank[1]))
    with open_slide(path) as slide:
        assert (slide.read_region(Region(20, 20, 50, 50), 0.9) == 10).all()
        with pytest.raises(TileReadError):
            slide.read_region(Region(20, 20, 50, 50), 1.0)


def test_nothing_is_logged_about_the_person(make_tiff, caplog):
    caplog.set_level(logging.DEBUG)
    path = make_tiff("Jane-Doe-1970.tiff")
    with open_slide(path) as slide:
        slide.thumbnail(100)
        _ = slide.fingerprint
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(SlideReadError):
        open_slide(path)
    assert "Jane" not in caplog.text


@pytest.mark.parametrize("backend", ["tiff", "openslide"])
def test_a_closed_slide_refuses_to_read(make_tiff, backend):
    slide = open_slide(make_tiff(), backend=backend)
    slide.close()
    slide.close()
    with pytest.raises(SlideReadError):
        slide.read(0, 0, 0, 10, 10)


@pytest.mark.parametrize("backend", ["tiff", "openslide"])
def test_a_slide_closed_while_it_is_read_gives_pixels_or_says_so(tmp_path, backend):
    picture = tissue_picture(700, 800)
    path = write_tiff(tmp_path / "closing.tiff", picture=picture, tile=128)
    for delay in range(12):
        slide = open_slide(path, backend=backend)
        closing = threading.Timer(0.002 * delay, slide.close)

        def look(seed: int, slide=slide) -> int:
            rng = np.random.default_rng(seed)
            for count in range(10_000):
                y, x = int(rng.integers(600)), int(rng.integers(700))
                try:
                    part = slide.read(0, y, x, 100, 100)
                except SlideReadError as error:
                    assert "closed" in str(error)
                    assert not isinstance(error, TileReadError)
                    return count
                assert (part == picture[y : y + 100, x : x + 100]).all()
            return 10_000

        with ThreadPoolExecutor(3) as threads:
            closing.start()
            counts = list(threads.map(look, range(3)))
        closing.join(20)
        assert max(counts) < 10_000


def test_opening_and_closing_leaves_no_threads_and_no_files(make_tiff):
    path = make_tiff(downsamples=(2.0,))
    threads = set(threading.enumerate())
    for _ in range(50):
        with open_slide(path) as slide:
            slide.pyramid[0][:300, :300]
            slide.levels_as().read(0, 0, 0, 300, 300)
            slide.thumbnail(100)
            assert slide.cache.used_bytes > 0
        assert slide.cache.used_bytes == 0
    gc.collect()
    assert {thread for thread in set(threading.enumerate()) - threads if thread.name.startswith("decode")} == set()
    held = Path("/proc/self/fd")
    assert not held.is_dir() or str(path) not in {os.path.realpath(file) for file in held.iterdir()}


def test_the_thumbnail_is_never_finer_than_the_slide(make_tiff):
    picture = np.random.default_rng(1).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    with open_slide(make_tiff(picture=picture)) as slide:
        rgb, grid = slide.thumbnail(4000)
        assert (rgb == picture).all()
        assert grid == slide.grids[0]
        assert slide.thumbnail(64)[0].shape == (48, 64, 3)
