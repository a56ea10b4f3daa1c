from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_mmlnb.errors import SlideReadError
from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tile_grid import TileGrid
from napari_mmlnb.slides.tile_reader import TileReader
from tests.slides.made import area_level, tissue_picture, unmarked_rgb_jpeg, write_tiff


@pytest.mark.parametrize("ome", [False, True])
@pytest.mark.parametrize("subifds", [False, True])
@pytest.mark.parametrize("downsample", [2.5, 4.0])
def test_all_levels_are_found_wherever_they_lie(tmp_path, ome, subifds, downsample):
    picture = tissue_picture(700, 900)
    path = write_tiff(
        tmp_path / "levels.ome.tiff", picture=picture, downsamples=(downsample, 8.0), subifds=subifds, ome=ome
    )
    with open_slide(path) as slide:
        assert slide.backend == "tiff"
        sizes = [(700, 900), *((round(700 / d), round(900 / d)) for d in (downsample, 8.0))]
        assert [grid.shape for grid in slide.grids] == sizes
        for level, (height, width) in enumerate(sizes):
            expected = area_level(picture, height, width)
            assert (slide.read(level, 0, 0, height, width) == expected).all()


@pytest.mark.parametrize("photometric", ["rgb", "ycbcr"])
def test_jpeg_colours_are_right(tmp_path, photometric):
    picture = tissue_picture(500, 500)
    path = write_tiff(tmp_path / "jpeg.tiff", picture=picture, compression="jpeg", photometric=photometric)
    with open_slide(path) as slide, open_slide(path, backend="openslide") as reference:
        out = slide.read(0, 0, 0, 500, 500)
        assert np.abs(out.astype(float) - picture).mean() < 3
        assert (out == reference.read(0, 0, 0, 500, 500)).all()


def test_rgb_in_jpeg_of_which_only_the_tiff_says_so(tmp_path):
    """A decoder that goes by the JPEG alone takes this for YCbCr and is 47 grey levels wrong."""
    picture = tissue_picture(256, 512)
    tiles = [unmarked_rgb_jpeg(np.ascontiguousarray(picture[:, left : left + 256])) for left in (0, 256)]
    path = tmp_path / "trap.tiff"
    tifffile.imwrite(
        path, iter(tiles), shape=picture.shape, dtype=np.uint8, tile=(256, 256), photometric="rgb", compression="jpeg",
        compressionargs={"outcolorspace": "RGB"}, resolution=(2e4, 2e4), resolutionunit="CENTIMETER", metadata=None,
    )  # fmt: skip
    assert np.abs(imagecodecs.jpeg8_decode(tiles[0]).astype(float) - picture[:, :256]).mean() > 20
    with open_slide(path, backend="tiff") as slide:
        assert np.abs(slide.read(0, 0, 0, 256, 512).astype(float) - picture).mean() < 3
        tiles = TileGrid(PixelGrid((2, 4), (64.0, 64.0)), np.array([(0, 0), (1, 2)], np.int32), 64, 1.0)
        with TileReader(slide, tiles, reduce_in_decoder=True) as reader:
            (batch,) = reader
        mean = picture.reshape(128, 2, 256, 2, 3).mean(axis=(1, 3))
        assert np.abs(batch.pixels[1] - mean[64:128, 128:192]).mean() < 3


def test_rgb_in_jpeg_without_an_adobe_marker(tmp_path):
    """A decoder that goes by the JPEG alone takes this for YCbCr and is 47 grey levels wrong."""
    picture = tissue_picture(256, 512)
    tiles = []
    for left in (0, 256):
        tile = np.ascontiguousarray(picture[:, left : left + 256])
        data = imagecodecs.jpeg8_encode(tile, level=95, colorspace="RGB", outcolorspace="RGB", subsampling="444")
        marker = data.index(b"\xff\xee")
        length = int.from_bytes(data[marker + 2 : marker + 4], "big")
        tiles.append(data[:marker] + data[marker + 2 + length :])
    assert all(b"Adobe" not in tile for tile in tiles)
    path = tmp_path / "trap.tiff"
    tifffile.imwrite(
        path, iter(tiles), shape=picture.shape, dtype=np.uint8, tile=(256, 256), photometric="rgb", compression="jpeg",
        resolution=(2e4, 2e4), resolutionunit="CENTIMETER", metadata=None,
    )  # fmt: skip
    with open_slide(path, backend="tiff") as slide:
        assert np.abs(slide.read(0, 0, 0, 256, 512).astype(float) - picture).mean() < 3


@pytest.mark.parametrize(
    ("size", "unit", "um"), [(0.25, "µm", 0.25), (250.0, "nm", 0.25), (0.00025, "mm", 0.25), (1e-5, "in", 0.254)]
)
def test_ome_scales_have_units(tmp_path, size, unit, um):
    path = tmp_path / "units.ome.tiff"
    metadata = {"axes": "YXS", "PhysicalSizeX": size, "PhysicalSizeXUnit": unit}
    metadata |= {"PhysicalSizeY": 2 * size, "PhysicalSizeYUnit": unit}
    tifffile.imwrite(path, tissue_picture(300, 300), tile=(256, 256), photometric="rgb", metadata=metadata, ome=True)
    with open_slide(path) as slide:
        assert slide.mpp.xy == pytest.approx((um, 2 * um))
        assert slide.mpp_source == "ome.PhysicalSizeX"


@pytest.mark.parametrize("unit", ["pixel", "reference frame"])
def test_an_ome_size_in_pixels_is_no_scale(tmp_path, unit):
    from napari_mmlnb.errors import MppMissingError

    path = tmp_path / "pixels.ome.tiff"
    metadata = {"axes": "YXS", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": unit}
    metadata |= {"PhysicalSizeY": 0.5, "PhysicalSizeYUnit": unit}
    tifffile.imwrite(path, tissue_picture(300, 300), tile=(256, 256), photometric="rgb", metadata=metadata, ome=True)
    with pytest.raises(MppMissingError):
        open_slide(path)


@pytest.mark.parametrize(("unit", "per_um"), [("CENTIMETER", 1e4), ("INCH", 25400.0)])
def test_resolution_tags_have_units(tmp_path, unit, per_um):
    path = tmp_path / "unit.tiff"
    options = {"resolution": (per_um / 0.25, per_um / 0.5), "resolutionunit": unit}
    tifffile.imwrite(path, tissue_picture(300, 300), tile=(256, 256), photometric="rgb", metadata=None, **options)
    for backend in ("tiff", "openslide"):
        with open_slide(path, backend=backend) as slide:
            assert slide.mpp.xy == pytest.approx((0.25, 0.5), rel=1e-4)


@pytest.mark.parametrize(
    ("shape", "dtype", "options", "says"),
    [
        ((4, 300, 300), "uint16", {"photometric": "minisblack", "metadata": {"axes": "CYX"}, "ome": True}, "channels"),
        ((300, 300), "uint8", {"photometric": "minisblack", "metadata": None}, "one channel"),
        ((300, 300, 3), "uint16", {"photometric": "rgb", "metadata": None}, "uint16"),
        ((5, 300, 300, 3), "uint8", {"photometric": "rgb", "metadata": {"axes": "ZYXS"}, "ome": True}, "focal planes"),
        ((3, 300, 300), "uint8", {"photometric": "rgb", "planarconfig": "separate", "metadata": None}, "RGB"),
    ],
)
def test_what_is_no_rgb_picture_is_refused_with_a_reason(tmp_path, shape, dtype, options, says):
    path = tmp_path / "other.tiff"
    tifffile.imwrite(path, np.zeros(shape, dtype), tile=(256, 256), **options)
    with pytest.raises(SlideReadError, match=says) as caught:
        open_slide(path, mpp=0.5)
    assert "RGB" in str(caught.value)


def test_a_striped_tiff_is_not_for_this_backend(tmp_path):
    path = tmp_path / "flat.tiff"
    tifffile.imwrite(path, np.zeros((300, 300, 3), np.uint8), photometric="rgb")
    with pytest.raises(SlideReadError, match="not tiled"):
        open_slide(path, mpp=0.5, backend="tiff")


def test_tiles_never_stored_are_white(tmp_path):
    path = write_tiff(tmp_path / "sparse.tiff", picture=np.zeros((512, 512, 3), np.uint8), compression=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        for name in ("TileOffsets", "TileByteCounts"):
            tag = tif.pages[0].tags[name]
            tag.overwrite([*tag.value[:3], 0])
    with open_slide(path) as slide:
        assert (slide.read(0, 256, 256, 256, 256) == 255).all()
        assert (slide.read(0, 0, 0, 256, 512) == 0).all()


def test_other_pictures_are_named_but_their_own_names_stay_inside(tmp_path):
    path = tmp_path / "label.tiff"
    with tifffile.TiffWriter(path) as tif:
        options = {"photometric": "rgb", "metadata": None}
        tif.write(tissue_picture(600, 600), tile=(256, 256), resolution=(2e4, 2e4), resolutionunit=3, **options)
        tif.write(np.full((50, 80, 3), 7, np.uint8), description="label Jane Doe", **options)
        tif.write(np.full((60, 90, 3), 9, np.uint8), description="Jane Doe", **options)
    with open_slide(path) as slide:
        assert slide.metadata.associated == ("label", "image 2")
        assert (slide.associated_image("label") == 7).all()
        assert slide.associated_image("image 2").shape == (60, 90, 3)
        with pytest.raises(SlideReadError, match="macro"):
            slide.associated_image("macro")
