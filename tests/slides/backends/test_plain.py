from __future__ import annotations

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_mmlnb.errors import MppMissingError, SlideKindError, SlideReadError, TileReadError
from napari_mmlnb.slides.backends import plain_formats
from napari_mmlnb.slides.slide import open_slide
from tests.slides.made import noise, tissue_picture

PICTURE = tissue_picture(1100, 1300)
DPI = 25_400 / 0.5


def save(path, picture=PICTURE, dpi=DPI, **options):
    """Write a plain picture by its ending; TIFF in strips."""
    if path.suffix == ".tiff":
        options = {"compression": "deflate", "rowsperstrip": 64, **options}
        tifffile.imwrite(
            path, picture, photometric="rgb", metadata=None, resolution=(dpi, dpi), resolutionunit="INCH", **options
        )
    else:
        Image.fromarray(picture).save(path, dpi=(dpi, dpi), **options)
    return path


@pytest.mark.parametrize(
    ("name", "options", "source"),
    [
        ("a.png", {}, "png.pHYs"),
        ("a.bmp", {}, "bmp.resolution"),
        ("a.tiff", {}, "tiff.XResolution"),
        ("a.tiff", {"compression": None}, "tiff.XResolution"),
        ("a.tiff", {"compression": "lzw"}, "tiff.XResolution"),
        ("a.tiff", {"compression": "zlib", "predictor": True}, "tiff.XResolution"),
    ],
)
def test_every_pixel_at_every_place(tmp_path, name, options, source):
    with open_slide(save(tmp_path / name, **options)) as slide:
        assert slide.backend == "plain"
        assert slide.mpp.xy == pytest.approx((0.5, 0.5), rel=1e-3)
        assert slide.mpp_source == source
        assert len(slide.grids) == 1
        framed = np.pad(PICTURE, ((50, 700), (50, 700), (0, 0)), constant_values=255)
        for y, x in ((0, 0), (512, 512), (100, 37), (-20, -30), (1000, 1200), (511, 1023)):
            assert (slide.read(0, y, x, 600, 610) == framed[y + 50 : y + 650, x + 50 : x + 660]).all()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_jpeg(tmp_path, progressive, subsampling):
    # A density in a JPEG is a whole number of at most 65535: finer than 0.39 um an inch cannot say.
    path = save(tmp_path / "a.jpg", quality=95, progressive=progressive, subsampling=subsampling, dpi=50_800)
    with open_slide(path) as slide:
        assert slide.mpp_source == "jfif.density"
        assert slide.mpp.xy == pytest.approx((0.5, 0.5))
        out = slide.read(0, 0, 0, 1100, 1300)
        assert np.abs(out.astype(float) - PICTURE).mean() < 2
        assert (out == np.asarray(Image.open(path))).mean() > 0.98


@pytest.mark.parametrize("photometric", ["rgb", "ycbcr"])
def test_jpeg_in_strips(tmp_path, photometric):
    colours = {"outcolorspace": "RGB"} if photometric == "rgb" else {}
    path = save(tmp_path / "a.tiff", compression="jpeg", compressionargs={"level": 95, **colours})
    with open_slide(path) as slide:
        out = slide.read(0, 0, 0, 1100, 1300)
    assert np.abs(out.astype(float) - PICTURE).mean() < 3
    assert (out == tifffile.imread(path)).all()


def test_coarser_levels_are_computed(tmp_path):
    with open_slide(save(tmp_path / "a.png", np.full((2200, 2600, 3), 200, np.uint8))) as slide:
        assert [array.shape for array in slide.pyramid] == [(2200, 2600, 3), (1100, 1300, 3)]


def test_a_palette_and_transparency(tmp_path):
    small = tissue_picture(200, 300)
    Image.fromarray(small).quantize(64).save(tmp_path / "p.png")
    with open_slide(tmp_path / "p.png", mpp=0.5) as slide:
        expected = np.asarray(Image.open(tmp_path / "p.png").convert("RGB"))
        assert (slide.read(0, 0, 0, 200, 300) == expected).all()
    alpha = np.zeros((200, 300, 1), np.uint8)
    alpha[:, 150:] = 255
    Image.fromarray(np.concatenate([small, alpha], axis=-1)).save(tmp_path / "t.png")
    with open_slide(tmp_path / "t.png", mpp=0.5) as slide:
        out = slide.read(0, 0, 0, 200, 300)
        assert (out[:, :150] == 255).all()
        assert (out[:, 150:] == small[:, 150:]).all()


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tiff"])
@pytest.mark.parametrize("dpi", [72, 96, 300])
def test_a_screens_resolution_is_no_scale(tmp_path, name, dpi):
    path = save(tmp_path / name, noise(50, 60), dpi=dpi)
    with pytest.raises(MppMissingError, match="--mpp"):
        open_slide(path)
    open_slide(path, mpp=0.5).close()


def test_exif_gives_scale_and_orientation_and_turns_nothing(tmp_path):
    small = tissue_picture(200, 300)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x011A] = exif[0x011B] = 20_000.0
    exif[0x0128] = 3
    buffer = io.BytesIO()
    Image.fromarray(small).save(buffer, "JPEG", quality=95, exif=exif)
    data = buffer.getvalue()
    (tmp_path / "a.jpg").write_bytes(data[:2] + data[2 + 18 :] if data[6:10] == b"JFIF" else data)
    with open_slide(tmp_path / "a.jpg") as slide:
        assert slide.grids[0].shape == (200, 300)
        assert slide.mpp.xy == pytest.approx((0.5, 0.5))
        assert slide.mpp_source == "exif.XResolution"
        assert slide.properties["exif.Orientation"] == "6"


def test_a_colour_profile_is_kept(tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = save(tmp_path / "a.png", noise(20, 20), icc_profile=profile)
    with open_slide(path) as slide:
        assert slide.metadata.icc_bytes == len(profile)
        assert slide.tiles.reader.icc_profile() == profile


@pytest.mark.parametrize(
    ("name", "picture", "says"),
    [
        ("a.png", noise(30, 40)[..., 0], "kind L"),
        ("a.jpg", noise(30, 40)[..., 0], "kind L"),
        ("a.bmp", noise(30, 40)[..., 0], "kind L"),
    ],
)
def test_what_is_no_rgb_is_refused(tmp_path, name, picture, says):
    Image.fromarray(picture).save(tmp_path / name)
    with pytest.raises(SlideKindError, match=says):
        open_slide(tmp_path / name, mpp=0.5)


def test_sixteen_bits_and_inks_are_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.zeros((20, 20, 3), np.uint16)))
    with pytest.raises(SlideKindError, match="16 bits"):
        open_slide(tmp_path / "a.png", mpp=0.5)
    Image.new("CMYK", (30, 30)).save(tmp_path / "a.jpg")
    with pytest.raises(SlideKindError, match="CMYK"):
        open_slide(tmp_path / "a.jpg", mpp=0.5)
    tifffile.imwrite(tmp_path / "a.tiff", np.zeros((5, 30, 40), np.uint16), photometric="minisblack")
    with pytest.raises(SlideKindError, match="5 "):
        open_slide(tmp_path / "a.tiff", mpp=0.5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.jpg", {"quality": 95, "dpi": 50_800}),
        ("a.jpg", {"quality": 95, "progressive": True, "dpi": 50_800}),
        ("a.bmp", {}),
        ("a.tiff", {"compression": None}),
        ("a.tiff", {"compression": "deflate"}),
        ("a.tiff", {"compression": "jpeg"}),
    ],
)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
def test_a_truncated_picture_is_an_error_never_grey(tmp_path, name, options, share):
    path = save(tmp_path / name, **options)
    data = path.read_bytes()
    path.write_bytes(data[: round(len(data) * share)])
    try:
        slide = open_slide(path, mpp=0.5)
    except SlideReadError:
        return
    with slide:
        for y, x in ((0, 0), (600, 600)):
            with pytest.raises(TileReadError, match="damaged"):
                slide.read(0, y, x, 10, 10)
        with pytest.raises(SlideReadError):
            slide.thumbnail(100)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_bits_flipped_in_a_png_are_noticed(tmp_path, share):
    path = save(tmp_path / "a.png", tissue_picture(300, 400))
    data = bytearray(path.read_bytes())
    data[round(len(data) * share)] ^= 0x10
    path.write_bytes(data)
    with open_slide(path) as slide, pytest.raises(TileReadError):
        slide.read(0, 0, 0, 10, 10)


def test_a_picture_too_large_to_decode_names_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_formats, "LARGEST_PX", 1_000_000)
    from napari_mmlnb.slides.backends import plain

    monkeypatch.setattr(plain, "LARGEST_PX", 1_000_000)
    for name in ("a.png", "a.jpg", "a.bmp", "a.tiff"):
        with pytest.raises(SlideReadError, match="pyramidal TIFF") as caught:
            open_slide(save(tmp_path / name, dpi=50_800))
        assert "1 megapixels" in str(caught.value)


def test_a_png_that_states_gigapixels_is_refused_at_once(tmp_path):
    head = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    )
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    with pytest.raises(SlideReadError, match="megapixels"):
        open_slide(tmp_path / "bomb.png", mpp=0.5)


@pytest.mark.parametrize("begin", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM", b"II*\0"])
@pytest.mark.parametrize("size", [8, 30, 500])
def test_heads_alone_are_errors(tmp_path, begin, size):
    (tmp_path / "a.img").write_bytes(begin + bytes(size))
    with pytest.raises(SlideReadError):
        open_slide(tmp_path / "a.img", mpp=0.5)


def test_it_is_decoded_once(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png")
    calls = []
    plain = imagecodecs.png_decode
    monkeypatch.setattr(imagecodecs, "png_decode", lambda data: calls.append(1) or plain(data))
    with open_slide(path) as slide:
        assert not calls
        slide.read(0, 0, 0, 1100, 1300)
        slide.thumbnail(100)
    assert len(calls) == 1


def test_a_closed_slide_refuses(tmp_path):
    slide = open_slide(save(tmp_path / "a.png"))
    slide.close()
    slide.close()
    with pytest.raises(SlideReadError, match="closed"):
        slide.read(0, 0, 0, 10, 10)
