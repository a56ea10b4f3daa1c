"""Our own decoding against OpenSlide's, pixel by pixel, and both against what was stored.

Where both stand on the same decoder (libjpeg-turbo, OpenJPEG, zlib) the pixels are the same, and the tests ask for
equality. Where they cannot be, the tolerance and its reason stand in the test. On a level whose downsample is not a
whole number OpenSlide interpolates between the level's pixels at most positions, since it takes whole level-0 positions
only. There the stored pixels are the measure, and the comparison with OpenSlide is made where one of its positions
falls on a pixel's edge.
"""

from __future__ import annotations

import numpy as np
import openslide
import pytest
import tifffile

from napari_mmlnb.errors import TileReadError
from napari_mmlnb.slides.backends.openslide import COPIED, on_white, whole_start
from napari_mmlnb.slides.slide import open_slide
from tests.slides.made import noise, tissue_picture, write_tiff
from tests.slides.made_dicom import write_dicom
from tests.slides.made_svs import CODECS, write_svs

HEIGHT, WIDTH = 1008, 1216
PICTURE = tissue_picture(HEIGHT, WIDTH)


def windows(height: int, width: int, tile: int):
    """Aligned with the tiles, beside them, across the far edges and beyond all edges, as (y, x, height, width)."""
    yield 0, 0, tile, tile
    yield min(tile, height - 1), min(tile, width - 1), tile, tile
    yield 17, 33, 151, 137
    yield tile - 1, tile - 1, 2, 2
    yield height - 40, width - 50, 40, 50
    yield height - 21, width - 33, 90, 80
    yield 0, width + 10, 20, 20


def of(level, y: int, x: int, height: int, width: int):
    """A window of a level in memory, white beyond its far edges."""
    out = np.full((height, width, 3), 255, np.uint8)
    part = level[y : y + height, x : x + width]
    out[: part.shape[0], : part.shape[1]] = part
    return out


def openslides(handle: openslide.OpenSlide, level: int, y: int, x: int, height: int, width: int):
    """What OpenSlide reads from the nearest position before the wanted one that lies on a pixel's edge, and where that
    is; None where it would have to interpolate.
    """
    downsample = handle.level_downsamples[level]
    (at_x, dx), (at_y, dy) = whole_start(x, downsample), whole_start(y, downsample)
    if max(abs(at_x - (x - dx) * downsample), abs(at_y - (y - dy) * downsample)) > downsample * COPIED:
        return None
    return on_white(handle.read_region((at_x, at_y), level, (width, height))), y - dy, x - dx


def assert_same_as_openslide(path, slide, tile: int, tolerance: int = 0, at_least: int = 7):
    """Every level, every kind of window; at least so many of a level are where OpenSlide copies pixels."""
    with openslide.OpenSlide(path) as handle:
        for level, grid in enumerate(slide.grids):
            height, width = grid.shape
            assert handle.level_dimensions[level] == (width, height)
            compared = 0
            for y, x, h, w in windows(height, width, tile):
                answer = openslides(handle, level, y, x, h, w)
                if answer is None:
                    continue
                expected, y0, x0 = answer
                difference = np.abs(slide.read(level, y0, x0, h, w).astype(int) - expected).max()
                assert difference <= tolerance, (level, y0, x0, h, w, difference)
                compared += 1
            assert compared >= at_least, (level, compared)


def assert_same_as_stored(slide, truth, tile: int, tolerance: int = 0):
    assert [grid.shape for grid in slide.grids] == [level.shape[:2] for level in truth]
    for number, level in enumerate(truth):
        for window in windows(*level.shape[:2], tile):
            difference = np.abs(slide.read(number, *window).astype(int) - of(level, *window)).max()
            assert difference <= tolerance, (number, window, difference)


# Aperio ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tables", [True, False])
@pytest.mark.parametrize("codec", [codec for codec in CODECS if not codec.startswith("33")])
def test_aperios_jpeg_is_the_same_to_the_last_bit(tmp_path, codec, tables):
    path = tmp_path / "slide.svs"
    truth = write_svs(path, PICTURE, codec=codec, downsamples=(4.0,), tables=tables)
    with open_slide(path) as slide:
        assert slide.backend == "tiff"
        assert_same_as_stored(slide, truth, 240)
        assert_same_as_openslide(path, slide, 240)


SIZES = {2: (1002, 1206), 2.5: (1000, 1205), 3.2: (960, 1200), 3.9998: (240, 19999), 4: (1000, 1204)}


@pytest.mark.parametrize("downsample", SIZES)
def test_every_downsample(tmp_path, downsample):
    path = tmp_path / "slide.svs"
    truth = write_svs(path, noise(*SIZES[downsample]), downsamples=(downsample,))
    with open_slide(path, backend="tiff") as slide:
        assert_same_as_stored(slide, truth, 240)
        assert_same_as_openslide(path, slide, 240, at_least=3 if downsample == 3.9998 else 7)


@pytest.mark.parametrize("downsample", [2, 2.5, 4])
def test_odd_sizes(tmp_path, downsample):
    """The ratios of the two axes differ here, and OpenSlide knows only their mean."""
    path = tmp_path / "slide.svs"
    truth = write_svs(path, noise(997, 1201), downsamples=(downsample,))
    with open_slide(path, backend="tiff") as slide:
        assert_same_as_stored(slide, truth, 240)
        assert_same_as_openslide(path, slide, 240, at_least=1)


@pytest.mark.parametrize("downsample", [2.5, 3.2])
def test_our_use_of_openslide_gives_whole_pixels_where_it_has_them(tmp_path, downsample):
    path = tmp_path / "slide.svs"
    truth = write_svs(path, noise(*SIZES[downsample]), downsamples=(downsample,), tile=256)
    with open_slide(path, backend="openslide") as slide:
        assert_same_as_stored(slide, truth, 256)


def test_openslide_interpolates_where_a_pixel_lies_between_its_positions(tmp_path):
    """Why the tests above choose their positions: 3.2 x 128 = 409.6 is none that OpenSlide can be asked for."""
    path = tmp_path / "slide.svs"
    truth = write_svs(path, noise(*SIZES[3.2]), downsamples=(3.2,))
    with openslide.OpenSlide(path) as handle, open_slide(path, backend="tiff") as slide:
        interpolated = on_white(handle.read_region((410, 0), 1, (100, 100)))
        exact = truth[1][:100, 128:228]
        assert np.abs(interpolated.astype(int) - exact).max() > 5
        assert (slide.read(1, 0, 128, 100, 100) == exact).all()


@pytest.mark.parametrize("codec", ["33003", "33005"])
def test_aperios_jpeg_2000(tmp_path, codec):
    """Such slides go to OpenSlide unless our own path gives exactly its pixels. 33003 stores YCbCr, and one decoder
    rounds where the other truncates on the way to RGB: a grey level at most.
    """
    path = tmp_path / "slide.svs"
    truth = write_svs(path, PICTURE, codec=codec, downsamples=(4.0,))
    tolerance = 1 if codec == "33003" else 0
    with open_slide(path) as slide:
        assert slide.backend == ("openslide" if codec == "33003" else "tiff")
        assert "JP" in slide.metadata.codec
        assert_same_as_openslide(path, slide, 240)
    with open_slide(path, backend="tiff") as slide:
        assert_same_as_stored(slide, truth, 240, tolerance)
        assert_same_as_openslide(path, slide, 240, tolerance)


def test_an_empty_tile_is_white_to_openslide_and_damage_to_us(tmp_path):
    """Aperio's scanners leave a tile of no length when they fail to store it. OpenSlide shows glass there, on level 0;
    a model would be shown glass where there may be tumour. All around it the pixels are the same.
    """
    path = tmp_path / "slide.svs"
    truth = write_svs(path, PICTURE, empty=[(0, 7)])
    row, column = divmod(7, -(-WIDTH // 240))
    with open_slide(path) as slide, openslide.OpenSlide(path) as handle:
        assert slide.backend == "tiff"
        hole = (row * 240, column * 240)
        assert (on_white(handle.read_region(hole[::-1], 0, (240, 240))) == 255).all()
        with pytest.raises(TileReadError):
            slide.read(0, *hole, 240, 240)
        with pytest.raises(TileReadError):
            slide.read(0, hole[0] - 1, hole[1] - 1, 2, 2)
        for window in ((hole[0], 0, 240, hole[1]), (hole[0] - 100, hole[1], 100, 300)):
            assert (slide.read(0, *window) == of(truth[0], *window)).all()


def test_the_scale_of_an_svs(tmp_path):
    path = tmp_path / "slide.svs"
    write_svs(path, PICTURE, mpp=0.2527)
    with open_slide(path, backend="tiff") as own, open_slide(path, backend="openslide") as reference:
        assert own.mpp == reference.mpp
        assert own.mpp.xy == (0.2527, 0.2527)
        assert own.mpp_source == reference.mpp_source == "aperio.MPP"


# Tiled TIFF -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("downsamples", [(2.0,), (2.5,), (3.2,), (4.0, 16.0)])
@pytest.mark.parametrize(
    ("compression", "photometric"),
    [("jpeg", "ycbcr"), ("jpeg", "rgb"), ("deflate", "rgb"), ("lzw", "rgb"), (None, "rgb")],
)
def test_tiled_tiff(tmp_path, compression, photometric, downsamples):
    path = write_tiff(
        tmp_path / "slide.tiff", picture=PICTURE, downsamples=downsamples, compression=compression,
        photometric=photometric,
    )  # fmt: skip
    with open_slide(path) as slide:
        assert slide.backend == "tiff"
        assert len(slide.grids) == 1 + len(downsamples)
        assert_same_as_openslide(path, slide, 256)


@pytest.mark.parametrize(("unit", "per_um"), [("CENTIMETER", 1e4), ("INCH", 25400.0)])
def test_the_scale_of_a_tiled_tiff(tmp_path, unit, per_um):
    path = tmp_path / "slide.tiff"
    options = {"resolution": (per_um / 0.25, per_um / 0.31), "resolutionunit": unit, "metadata": None}
    tifffile.imwrite(path, PICTURE, tile=(256, 256), photometric="rgb", **options)
    with open_slide(path, backend="tiff") as own, open_slide(path, backend="openslide") as reference:
        assert own.mpp.xy == pytest.approx(reference.mpp.xy, rel=1e-6)
        assert own.mpp.xy == pytest.approx((0.25, 0.31), rel=1e-4)
        assert own.mpp_source == reference.mpp_source == "tiff.XResolution"


def test_a_tile_that_was_never_stored(tmp_path):
    """A sparse TIFF: white, to OpenSlide and to us."""
    path = write_tiff(tmp_path / "sparse.tiff", picture=PICTURE, compression=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        for name in ("TileOffsets", "TileByteCounts"):
            tag = tif.pages[0].tags[name]
            tag.overwrite([0, *tag.value[1:]])
    with open_slide(path) as slide, openslide.OpenSlide(path) as handle:
        assert slide.backend == "tiff"
        assert (slide.read(0, 0, 0, 256, 256) == 255).all()
        assert (on_white(handle.read_region((0, 0), 0, (256, 256))) == 255).all()
        beside = (0, 256, 300, 400)
        assert (slide.read(0, *beside) == of(PICTURE, *beside)).all()


# DICOM ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["jpeg", "raw", "jpeg2000", "jpeg2000-ict"])
def test_dicom(tmp_path, codec):
    """Frames are decoded by ourselves only where they come out as OpenSlide decodes them: always equal."""
    folder = write_dicom(tmp_path / "s", picture=PICTURE[:1000, :1200], downsamples=(2.0, 2.5, 4.0), codec=codec)
    with open_slide(folder) as slide:
        assert slide.backend == "dicom"
        assert_same_as_openslide(next(folder.iterdir()), slide, 256)


# Real slides ----------------------------------------------------------------------------------------------------------


def test_the_real_svs(real_svs):
    with open_slide(real_svs, backend="tiff") as slide, open_slide(real_svs, backend="openslide") as reference:
        assert_same_as_openslide(real_svs, slide, 240)
        height, width = slide.grids[0].shape
        assert (slide.read(0, 0, 0, height, width) == reference.read(0, 0, 0, height, width)).all()
        assert (slide.mpp, slide.mpp_source) == (reference.mpp, reference.mpp_source)
        for name in ("label", "macro", "thumbnail"):
            assert (slide.associated_image(name) == reference.associated_image(name)).all()


def test_the_real_dicom_folder(real_slides):
    folder = real_slides / "CMU-1-Small-Region-dicom"
    with open_slide(folder) as slide:
        assert_same_as_openslide(next(folder.glob("*.dcm")), slide, 240)
