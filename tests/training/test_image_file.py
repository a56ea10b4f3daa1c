"""Images that hospitals have, and what training makes of them: what they look like, or nothing."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.image_file import check_image_files, read_rgb
from napari_mmlnb.training.image_level.images import read_images
from napari_mmlnb.training.image_level.table import ImageCase

SIDE = 40
PINK = (200, 120, 160)


def _read(folder: Path, image: Image.Image, name: str = "a.png", **options: object) -> np.ndarray:
    image.save(folder / name, **options)
    return np.asarray(read_rgb(folder / name))


def _grey(kind: type, value: float) -> Image.Image:
    return Image.fromarray(np.full((SIDE, SIDE), value, kind))


def test_what_is_seen_is_read(tmp_path: Path) -> None:
    plain = Image.new("RGB", (SIDE, SIDE), PINK)
    assert (_read(tmp_path, plain) == PINK).all()
    assert (_read(tmp_path, plain.convert("P", palette=Image.Palette.ADAPTIVE)) == PINK).all()
    assert (_read(tmp_path, plain.convert("RGBA")) == PINK).all()
    assert (_read(tmp_path, _grey(np.uint8, 77)) == 77).all()


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    hidden = Image.new("RGBA", (SIDE, SIDE), (*PINK, 0))
    assert (_read(tmp_path, hidden) == 255).all()
    palette = Image.new("P", (SIDE, SIDE), 0)
    palette.putpalette([0, 0, 0, *PINK])
    assert (_read(tmp_path, palette, transparency=0) == 255).all()
    assert (_read(tmp_path, Image.new("RGB", (SIDE, SIDE), PINK), transparency=PINK) == 255).all()


@pytest.mark.parametrize(
    ("image", "name", "said"),
    [
        (_grey(np.uint16, 3000), "a.png", "16 bits a channel"),
        (_grey(np.uint16, 3000), "a.tif", "16 bits a channel"),
        (_grey(np.int32, 3000), "a.tif", "32-bit grey"),
        (_grey(np.float32, 0.5), "a.tif", "floating point"),
        (Image.new("CMYK", (SIDE, SIDE)), "a.jpg", "CMYK"),
        (Image.new("1", (SIDE, SIDE)), "a.png", "black and white"),
        (Image.new("LA", (SIDE, SIDE)), "a.png", "grey with transparency"),
        (Image.new("RGB", (1, 1)), "a.png", "1 x 1 pixels; a side needs 32"),
        (Image.new("RGB", (31, 100)), "a.png", "31 x 100 pixels; a side needs 32"),
        (Image.new("RGB", (3000, 20)), "a.png", "a side needs 32"),
        (Image.new("RGB", (161, 40)), "a.png", "161 x 40 pixels, more than 4 times as long as wide"),
    ],
)
def test_what_would_be_trained_on_as_something_else_is_refused(
    tmp_path: Path, image: Image.Image, name: str, said: str
) -> None:
    with pytest.raises(RequestError, match=said) as caught:
        _read(tmp_path, image, name)
    assert f"The image {name}" in caught.value.problem
    assert caught.value.remedy


def test_sixteen_bit_colour_is_refused(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + b"\x0f\xff" * 3 * SIDE for _ in range(SIDE))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    png = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + png)
    with pytest.raises(RequestError, match=r"The image deep\.png has 16 bits"):
        read_rgb(tmp_path / "deep.png")


def test_a_stack_is_refused(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (SIDE, SIDE), (value, 0, 0)) for value in (10, 20, 30)]
    with pytest.raises(RequestError, match="holds 3 pictures"):
        _read(tmp_path, pages[0], "a.tif", save_all=True, append_images=pages[1:])


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:60], lambda b: b[:40] + b"\xff" * 8 + b[48:], lambda b: b"", lambda b: b"text"]
)
def test_a_broken_file_is_named_whatever_is_broken(tmp_path: Path, spoil) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(spoil((tmp_path / "a.png").read_bytes()))
    with pytest.raises(RequestError, match=r"The image a\.png cannot be read"):
        read_rgb(tmp_path / "a.png")


def test_all_are_looked_at_before_anything_begins_and_the_reason_is_said(tmp_path: Path) -> None:
    Image.new("RGB", (SIDE, SIDE), PINK).save(tmp_path / "good.png")
    _grey(np.uint16, 9).save(tmp_path / "deep.png")
    names = ["good.png", "deep.png"]
    said = "1 of 2 images cannot be read, the first is deep.png. The image deep.png has 16 bits a channel. Save it"
    with pytest.raises(RequestError, match=said):
        check_image_files([tmp_path / name for name in names], names)
    cases = [ImageCase(name, tmp_path / name, "Text", 0) for name in names]
    with pytest.raises(RequestError, match=said):
        read_images(cases)
    assert (read_images(cases[:1]) == PINK).all()
