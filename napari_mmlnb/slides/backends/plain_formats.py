"""Plain pictures: PNG, JPEG, BMP and TIFF in strips. What a head says, and strict decoding of the whole.

A decoder that fills up what is missing with grey would make tissue of nothing, so that each is strict: the sums of a
PNG are compared, a JPEG counts as damaged where libjpeg only warns, a TIFF strip must hold all of its rows.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import imagecodecs
import numpy as np
import simplejpeg
import tifffile
from PIL import Image

from napari_mmlnb.errors import SlideKindError, SlideReadError
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.backends.file_bytes import FileBytes
from napari_mmlnb.slides.backends.jpeg_stream import JpegStream
from napari_mmlnb.slides.backends.tiff_sanity import check_directories
from napari_mmlnb.slides.backends.tiff_scale import tiff_mpp
from napari_mmlnb.slides.backends.tiff_structure import icc_profile, main_series, what_it_holds

LARGEST_PX = 150_000_000
"""Pixels of the largest plain picture, which is decoded as a whole: 450 MB."""

_SAVE_RGB = "Save it as RGB with 8 bits per channel."
_CONVERT = (
    "Convert it to a pyramidal TIFF, for example with: vips tiffsave IN OUT.tiff --tile --pyramid --compression jpeg"
)
_INCH_UM = 25400.0
_ORIENTATION, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x0112, 0x011A, 0x011B, 0x0128
_PER_UNIT_UM = {2: _INCH_UM, 3: 1e4}

Scale = tuple[tuple[float, float] | None, str]


@dataclass(frozen=True)
class PictureHead:
    """What a picture says of itself.

    Parameters
    ----------
    height, width : int
        As stored: an EXIF orientation is not applied.
    mpp : tuple of float or None
        Micrometres per pixel (x, y), from its resolution tags; screens' and printers' resolutions among them.
    mpp_source : str
        The tag.
    icc : bytes or None
        The embedded colour profile.
    properties : mapping
        What else it says.
    """

    height: int
    width: int
    mpp: tuple[float, float] | None = None
    mpp_source: str = ""
    icc: bytes | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PictureFormat:
    """A format of plain pictures.

    Parameters
    ----------
    name : str
        Of its compression.
    head : callable
        Reads what a file says of itself; raises `SlideKindError` for what is no RGB picture of 8 bits.
    decode : callable
        All pixels of a file, (h, w, 3) uint8; raises whatever its decoder raises.
    """

    name: str
    head: Callable[[Path], PictureHead]
    decode: Callable[[Path], RGB]


def format_of(path: Path) -> PictureFormat | None:
    """The format of a file, by its first bytes; None for another one, and for what cannot be read."""
    try:
        with path.open("rb") as file:
            begin = file.read(8)
    except OSError:
        return None
    return next((kind for magic, kind in _FORMATS.items() if begin.startswith(magic)), None)


def is_tiff(kind: PictureFormat) -> bool:
    """Whether a format is TIFF, of which only some are plain pictures."""
    return kind is _TIFF


def _jpeg_head(path: Path) -> PictureHead:
    with _opened(path) as image:
        _check_mode(path, image.mode, ("RGB",))
        density, unit = image.info.get("jfif_density"), image.info.get("jfif_unit")
        scale: Scale = (None, "")
        if density is not None and unit in (1, 2) and min(density) > 0:
            um = {1: _INCH_UM, 2: 1e4}[unit]
            scale = (um / density[0], um / density[1]), "jfif.density"
        return _head(image, scale, image.getexif())


def _jpeg_pixels(path: Path) -> RGB:
    return np.asarray(simplejpeg.decode_jpeg(path.read_bytes(), "RGB", strict=True), dtype=np.uint8)


def _png_head(path: Path) -> PictureHead:
    with _opened(path) as image:
        _check_mode(path, image.mode, ("RGB", "RGBA", "P"))
        with path.open("rb") as file:
            depth = file.read(25)[24]
        if depth > 8:
            raise SlideKindError(path, f"{path} has {depth} bits per channel.", _SAVE_RGB)
        dpi = image.info.get("dpi")
        known = dpi is not None and min(dpi) > 0
        return _head(image, ((_INCH_UM / dpi[0], _INCH_UM / dpi[1]), "png.pHYs") if known else (None, ""))


def _png_pixels(path: Path) -> RGB:
    data = path.read_bytes()
    _check_png_sums(data)
    return _on_white(imagecodecs.png_decode(data))


def _check_png_sums(data: bytes) -> None:
    """Compare the checksum of each chunk, which imagecodecs leaves out."""
    place, kind = 8, b""
    while kind != b"IEND":
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        end = place + 8 + length
        if int.from_bytes(data[end : end + 4], "big") != zlib.crc32(memoryview(data)[place + 4 : end]):
            raise ValueError("a chunk of the PNG is damaged")
        place = end + 4


def _bmp_head(path: Path) -> PictureHead:
    with _opened(path) as image:
        _check_mode(path, image.mode, ("RGB", "RGBA", "P"))
        dpi = image.info.get("dpi")
        known = dpi is not None and min(dpi) > 0
        return _head(image, ((_INCH_UM / dpi[0], _INCH_UM / dpi[1]), "bmp.resolution") if known else (None, ""))


def _bmp_pixels(path: Path) -> RGB:
    with _opened(path) as image:
        return np.array(image.convert("RGB"), dtype=np.uint8)


def _tiff_head(path: Path) -> PictureHead:
    with tifffile.TiffFile(path, _multifile=False) as tif:
        page = _tiff_page(path, tif)
        mpp, source = tiff_mpp(page, tif.ome_metadata if tif.is_ome else None)
        turned = page.tags.get(_ORIENTATION)
        properties = {"tiff.Orientation": str(int(turned.value))} if turned is not None else {}
        return PictureHead(page.imagelength, page.imagewidth, mpp, source, icc_profile(page), properties)


def _tiff_page(path: Path, tif: Any) -> Any:
    """The one RGB picture in strips."""
    check_directories(path, tif)
    series = main_series(tif)
    if series.axes != "YXS" or series.dtype != np.uint8 or series.shape[2] not in (3, 4):
        raise SlideKindError(path, f"{path} holds {what_it_holds(series)}, not one RGB picture.", _SAVE_RGB)
    page = series.levels[0].pages[0].aspage()
    colours = (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR)
    if page.is_tiled or page.photometric not in colours or page.planarconfig != tifffile.PLANARCONFIG.CONTIG:
        raise SlideReadError(path, f"{path} is no RGB TIFF in strips.", _SAVE_RGB)
    return page


def _tiff_pixels(path: Path) -> RGB:
    source = FileBytes(path)
    with tifffile.TiffFile(path, _multifile=False) as tif:
        page = _tiff_page(path, tif)
        out = np.empty((page.imagelength, page.imagewidth, 3), np.uint8)
        for index, top in enumerate(range(0, page.imagelength, page.rowsperstrip)):
            strip = out[top : top + page.rowsperstrip]
            data = source.read(page.dataoffsets[index], page.databytecounts[index])
            strip[:] = _strip(page, index, data, len(strip))
    source.close()
    return out


def _strip(page: Any, index: int, data: bytes, rows: int) -> RGB:
    if page.compression == tifffile.COMPRESSION.JPEG:
        shape = {"tilelength": rows, "tilewidth": page.imagewidth}
        return JpegStream(SimpleNamespace(photometric=page.photometric, jpegtables=page.jpegtables, **shape)).decode(
            data
        )
    pixels = page.decode(data, index, jpegtables=page.jpegtables)[0]
    if pixels is None or pixels.shape[1:3] != (rows, page.imagewidth):
        raise ValueError("a strip does not hold all of its rows")
    return np.asarray(pixels[0, ..., :3], dtype=np.uint8)


def _opened(path: Path) -> Any:
    """A picture's head, by Pillow, which refuses by itself what is larger than twice its own limit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            return Image.open(path)
        except Image.DecompressionBombError:
            raise too_large(path) from None


def too_large(path: Path) -> SlideReadError:
    """The error for a picture that is larger than `LARGEST_PX`."""
    limit = f"{LARGEST_PX // 1_000_000} megapixels"
    return SlideReadError(path, f"{path} is larger than {limit}, up to which plain pictures are read.", _CONVERT)


def _head(image: Any, scale: Scale, exif: Mapping[int, Any] = MappingProxyType({})) -> PictureHead:
    # Only of JPEG: Pillow decodes all of a PNG to find its EXIF.
    mpp, source = scale if scale[0] is not None else _exif_mpp(exif)
    properties = {"exif.Orientation": str(exif[_ORIENTATION])} if _ORIENTATION in exif else {}
    return PictureHead(image.height, image.width, mpp, source, image.info.get("icc_profile"), properties)


def _exif_mpp(exif: Mapping[int, Any]) -> Scale:
    um = _PER_UNIT_UM.get(exif.get(_RESOLUTION_UNIT, 0))
    try:
        x, y = float(exif[_X_RESOLUTION]), float(exif[_Y_RESOLUTION])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None, ""
    return ((um / x, um / y), "exif.XResolution") if um is not None and min(x, y) > 0 else (None, "")


def _check_mode(path: Path, mode: str, allowed: tuple[str, ...]) -> None:
    if mode not in allowed:
        raise SlideKindError(path, f"{path} holds no RGB picture of 8 bits, but one of kind {mode}.", _SAVE_RGB)


def _on_white(pixels: Any) -> RGB:
    """RGB, or RGBA over white: what is transparent shows as glass."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        raise ValueError(f"not RGB but {pixels.shape} of {pixels.dtype}")
    if pixels.shape[2] == 3:
        return np.asarray(pixels, dtype=np.uint8)
    alpha = pixels[..., 3:].astype(np.uint16)
    blended: RGB = ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return blended


_TIFF = PictureFormat("TIFF strips", _tiff_head, _tiff_pixels)
_FORMATS: Mapping[bytes, PictureFormat] = {
    b"\x89PNG\r\n\x1a\n": PictureFormat("PNG", _png_head, _png_pixels),
    b"\xff\xd8\xff": PictureFormat("JPEG", _jpeg_head, _jpeg_pixels),
    b"BM": PictureFormat("BMP", _bmp_head, _bmp_pixels),
    b"II*\0": _TIFF, b"MM\0*": _TIFF, b"II+\0": _TIFF, b"MM\0+": _TIFF,
}  # fmt: skip
