"""Slides as Aperio's scanners lay them out, tile by tile, and what their tiles decode to."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from tests.slides.made import RGB, area_level

_TABLES = (0xDB, 0xC4)
_HEADERS = (0xE0, 0xEE)
_FRAME, _SCAN = 0xC0, 0xDA

CODECS = ("ycbcr 422", "ycbcr 420", "ycbcr 444", "rgb", "33003", "33005")
_SUBSAMPLING = {"422": (2, 1), "420": (2, 2), "444": (1, 1)}


def write_svs(
    path: Path,
    picture: RGB,
    *,
    codec: str = "ycbcr 422",
    downsamples: Sequence[float] = (4.0,),
    tables: bool = True,
    tile: int = 240,
    mpp: float = 0.25,
    empty: Sequence[tuple[int, int]] = (),
) -> list[RGB]:
    """Write a slide, and give its levels as a third decoder reads the tiles that were stored.

    Parameters
    ----------
    path : Path
        Where to; its name should end with .svs.
    picture : ndarray
        Level 0.
    codec : str
        One of `CODECS`: JPEG in YCbCr with its subsampling, JPEG in RGB without a marker that says so, or JPEG 2000 as
        Aperio numbers it (33003 in YCbCr, 33005 in RGB).
    downsamples : sequence of float
        Of the further levels, nominal; their sizes are rounded to whole pixels.
    tables : bool
        Keep the tables of JPEG apart from the tiles, as Aperio does.
    tile : int
        Side of a tile, pixels.
    mpp : float
        In the description.
    empty : sequence of (level, index)
        Tiles of no length, as the scanner leaves when it fails to store one. White in the answer.
    """
    height, width = picture.shape[:2]
    said = f"|AppMag = 40|MPP = {mpp:.4f}|OriginalWidth = {width}|OriginalHeight = {height}"
    truth = []
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        for number, factor in enumerate((1.0, *downsamples)):
            level = picture if factor == 1 else area_level(picture, round(height / factor), round(width / factor))
            made = [made_tile(part, codec) for part in _parts(level, tile)]
            for index in (i for n, i in empty if n == number):
                made[index] = (b"", np.full((tile, tile, 3), 255, np.uint8))
            truth.append(_joined([pixels for _, pixels in made], level.shape[:2], tile))
            _write_page(tif, [data for data, _ in made], level.shape, codec, tile, tables, said)
            if number == 0:
                _write_thumbnail(tif, picture, said)
    return truth


def _write_page(tif, streams: list[bytes], shape, codec: str, tile: int, tables: bool, said: str) -> None:
    options: dict[str, object] = {"photometric": "rgb", "compression": "jpeg"}
    if codec in ("33003", "33005"):
        options["compression"] = int(codec)
    elif codec == "rgb":
        options["compressionargs"] = {"outcolorspace": "RGB"}  # or else the page would say YCbCr
    else:
        options |= {"photometric": "ycbcr", "subsampling": _SUBSAMPLING[codec.split()[1]]}
    if tables and options["compression"] == "jpeg":
        apart = [_taken_apart(data) if data else (b"", b"") for data in streams]
        options["jpegtables"] = next(common for common, _ in apart if common)
        streams = [data for _, data in apart]
    size = f"{shape[1]}x{shape[0]}"
    description = f"Aperio Image Library v12.0.15 \r\n{size} [0,0 {size}] ({tile}x{tile}) JPEG Q=80{said}"
    tif.write(
        iter(streams), shape=shape, dtype=np.uint8, tile=(tile, tile), description=description, metadata=None,
        software=False, subfiletype=0, **options,
    )  # fmt: skip


def _write_thumbnail(tif, picture: RGB, said: str) -> None:
    small = cv2.resize(picture, (picture.shape[1] // 8, picture.shape[0] // 8), interpolation=cv2.INTER_AREA)
    tif.write(
        small, photometric="rgb", compression="deflate", metadata=None, software=False, rowsperstrip=16,
        description=f"Aperio Image Library v12.0.15 \r\n -> {small.shape[1]}x{small.shape[0]} - {said}",
    )  # fmt: skip


def _parts(level: RGB, tile: int) -> list[RGB]:
    rows, columns = (-(-extent // tile) for extent in level.shape[:2])
    padding = ((0, rows * tile - level.shape[0]), (0, columns * tile - level.shape[1]), (0, 0))
    padded = np.pad(level, padding, mode="edge")
    corners = [(r * tile, c * tile) for r in range(rows) for c in range(columns)]
    return [np.ascontiguousarray(padded[y : y + tile, x : x + tile]) for y, x in corners]


def _joined(parts: list[RGB], shape: tuple[int, int], tile: int) -> RGB:
    columns = -(-shape[1] // tile)
    rows = [np.concatenate(parts[i : i + columns], axis=1) for i in range(0, len(parts), columns)]
    return np.concatenate(rows)[: shape[0], : shape[1]]


def made_tile(part: RGB, codec: str) -> tuple[bytes, RGB]:
    """A tile's stream, and what it decodes to."""
    if codec == "33005":
        return imagecodecs.jpeg2k_encode(part, codecformat="J2K", reversible=True, mct=False), part
    if codec == "33003":
        other = cv2.cvtColor(part, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
        return imagecodecs.jpeg2k_encode(other, codecformat="J2K", reversible=True, mct=False), _rgb(other)
    out = "RGB" if codec == "rgb" else "YCBCR"
    subsampling = "444" if codec == "rgb" else codec.split()[1]
    data = imagecodecs.jpeg8_encode(part, level=80, colorspace="RGB", outcolorspace=out, subsampling=subsampling)
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.array(image.convert("RGB"))
    return (_without_headers(data) if codec == "rgb" else data), pixels


def _rgb(ycbcr: RGB) -> RGB:
    """ITU-R BT.601 at full range, as JFIF has it, rounded to the nearest."""
    y, cb, cr = (ycbcr[..., i].astype(np.float64) - (0, 128, 128)[i] for i in range(3))
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    return np.rint(rgb.clip(0, 255)).astype(np.uint8)


def _segments(data: bytes) -> list[tuple[int, bytes]]:
    """The marker segments of a JPEG after its start; the scan to the end of the file is the last."""
    found, place = [], 2
    while data[place + 1] != _SCAN:
        length = int.from_bytes(data[place + 2 : place + 4], "big") + 2
        found.append((data[place + 1], data[place : place + length]))
        place += length
    return [*found, (_SCAN, data[place:])]


def _without_headers(data: bytes) -> bytes:
    """A JPEG that does not say in which colours it is: no header does, and its components are 1, 2, 3, not R, G, B."""
    out = b"\xff\xd8"
    for marker, segment in _segments(data):
        if marker not in _HEADERS:
            start = {_FRAME: 10, _SCAN: 5}.get(marker, 0)
            step = 3 if marker == _FRAME else 2
            changed = bytearray(segment)
            for number, letter in enumerate(b"RGB" if start else b""):
                assert changed[start + number * step] == letter
                changed[start + number * step] = 1 + number
            out += bytes(changed)
    return out


def _taken_apart(data: bytes) -> tuple[bytes, bytes]:
    """The tables of a JPEG as a stream of their own, and the rest."""
    segments = _segments(data)
    common = b"".join(segment for marker, segment in segments if marker in _TABLES)
    rest = b"".join(segment for marker, segment in segments if marker not in (*_TABLES, *_HEADERS))
    return b"\xff\xd8" + common + b"\xff\xd9", b"\xff\xd8" + rest
