"""Slides through OpenSlide: every vendor format that it knows; DICOM comes here through `dicom`."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import openslide
from PIL import ImageCms

from napari_mmlnb.errors import SlideFormatError, SlideReadError, TileReadError
from napari_mmlnb.slides.backends.base import RGB, USUAL_TILE_PX, LevelShape, SlideMetadata, Suits
from napari_mmlnb.slides.backends.dicom_series import find_series
from napari_mmlnb.slides.backends.file_state import WatchedFiles
from napari_mmlnb.slides.backends.tiff_sanity import check_for_openslide

_GENERIC = "generic-tiff"
_TILE_SIDES = (128, 2048)
_USUAL_TILE = (USUAL_TILE_PX, USUAL_TILE_PX)

# The tags behind OpenSlide's own mpp, by vendor, so that a person can look the number up in the file.
_MPP_TAGS = {
    "aperio": "aperio.MPP",
    "dicom": "dicom.PixelSpacing",
    "leica": "tiff.XResolution",
    _GENERIC: "tiff.XResolution",
}

COPIED = 1 / 1024
"""From a start this near to a pixel's edge, in pixels of the level, OpenSlide copies (measured: up to 0.002)."""
_NEARLY_COPIED = 1 / 256
"""And from this near it is a grey level off at most (measured: up to 0.008)."""
_LONGEST_MARGIN = 256

_STORED = 128
"""Opacity from which a pixel is the scanner's."""

_DICOM_CODECS = {
    "1.2.840.10008.1.2": "uncompressed",
    "1.2.840.10008.1.2.1": "uncompressed",
    "1.2.840.10008.1.2.4.50": "JPEG",
    "1.2.840.10008.1.2.4.51": "JPEG",
    "1.2.840.10008.1.2.4.70": "JPEG lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
}


# What the TIFF backend reads as well, faster, checked on real files: pixel for pixel the same.
_LEFT_TO_TIFF = (_GENERIC, "aperio")
# What the DICOM backend opens with the same reader, once it has seen that nothing is missing or mixed.
_LEFT_TO_DICOM = "dicom"


class OpenSlideBackend:
    """Opens what OpenSlide recognises. It stands back where the TIFF backend can, but opens that too when told to."""

    name = "openslide"
    opens = "SVS, NDPI, MRXS, SCN, BIF, VMS, Philips TIFF, Zeiss CZI and other vendor slides"
    licence = "LGPL-2.1"
    where = (Path,)

    def suits(self, path: Path) -> Suits:
        """Well where OpenSlide recognises a vendor's format that is not left to another backend."""
        vendor = None if path.is_dir() else _vendor(path)
        if vendor is None or vendor == _LEFT_TO_DICOM:
            return Suits.NOT
        return Suits.FALLBACK if vendor in _LEFT_TO_TIFF else Suits.WELL

    def open(self, path: Path) -> OpenSlideReader:
        """Open it: a slide file, or a folder with one DICOM slide.

        Raises
        ------
        SlideFormatError
            If OpenSlide does not recognise it.
        SlideReadError
            If the file or folder is damaged.
        """
        dicom = path.is_dir() or _vendor(path) == _LEFT_TO_DICOM
        entry = find_series(path).entry if dicom else path
        if _vendor(entry) is None:
            raise SlideFormatError(path, self.opens)
        return OpenSlideReader(path, entry)


def _vendor(path: Path) -> str | None:
    """The format as OpenSlide names it; None for what it does not know."""
    try:
        vendor: str | None = openslide.OpenSlide.detect_format(path)
    except openslide.OpenSlideError:
        return None
    return vendor


class OpenSlideReader:
    """An open slide. Reads are safe from several threads.

    OpenSlide's errors stick: after one failed read the handle refuses all others. A failed read is therefore tried once
    more on a handle of its own, which tells a damaged region from a neighbour's failure, and the shared handle is
    replaced, so that one bad tile does not cost the slide.

    Parameters
    ----------
    path : Path
        What the person named, for error messages.
    entry : Path
        The file that OpenSlide opens.
    """

    def __init__(self, path: Path, entry: Path) -> None:
        self._path = path
        self._entry = entry
        self._lock = threading.Lock()
        self._closed = False
        check_for_openslide(entry)
        beside = entry.with_suffix("")  # where MRXS and VMU keep the pixels
        self._watched = WatchedFiles(path, [entry, *(beside.iterdir() if beside.is_dir() else ())])
        self._handle: openslide.OpenSlide | None = self._open()
        try:
            self._metadata = _metadata(self._handle)
            self._downsamples: tuple[float, ...] = tuple(self._handle.level_downsamples)
        except openslide.OpenSlideError as error:
            raise _damaged(path, entry, error) from error

    @property
    def metadata(self) -> SlideMetadata:
        """What the file says of itself."""
        return self._metadata

    def reductions(self, level: int) -> tuple[int, ...]:  # noqa: ARG002 (the protocol's)
        """OpenSlide decodes at full size only."""
        return (1,)

    def read_tile(self, level: int, row: int, column: int, reduce: int = 1, out: RGB | None = None) -> RGB:  # noqa: ARG002
        """One tile, (tile height, tile width, 3) uint8; white where the scanner stored nothing.

        OpenSlide takes whole level-0 positions and interpolates where one lies between two pixels of the level. So the
        reading begins at a position near by that does not, where there is one (see `whole_start`). Where there is none,
        the picture lies within half a level-0 pixel of its true place.
        """
        if reduce != 1:
            raise ValueError(f"OpenSlide cannot decode at 1/{reduce}")
        shape = self._metadata.levels[level]
        factor = self._downsamples[level]
        (x, left), (y, top) = (
            whole_start(index * side, factor) for index, side in ((column, shape.tile_width), (row, shape.tile_height))
        )
        pixels = self._read_region((x, y), level, (left + shape.tile_width, top + shape.tile_height))
        self._watched.check()
        return np.ascontiguousarray(pixels[top:, left:])

    def _read_region(self, location: tuple[int, int], level: int, size: tuple[int, int]) -> RGB:
        with self._lock:
            if self._closed:
                raise SlideReadError(self._path, "The slide is closed.", "Open it again.")
            shared = self._handle
        if shared is not None:
            try:
                return on_white(shared.read_region(location, level, size))
            except openslide.OpenSlideError:
                self._retire(shared)
        return self._read_alone(location, level, size)

    def icc_profile(self) -> bytes | None:
        """The embedded colour profile, or None.

        Raises
        ------
        SlideReadError
            If it cannot be read.
        """
        if not self._metadata.icc_bytes:
            return None
        try:
            with self._open() as handle:
                profile = handle.color_profile
        except (openslide.OpenSlideError, OSError, ImageCms.PyCMSError) as error:
            raise SlideReadError(self._path, "The slide's colour profile cannot be read.") from error
        return None if profile is None else bytes(profile.tobytes())

    def associated_image(self, name: str) -> RGB:
        """An associated image by name.

        Raises
        ------
        SlideReadError
            If there is none of that name, or it cannot be decoded.
        """
        if name not in self._metadata.associated:
            raise SlideReadError(self._path, f"The slide has no associated image called {name!r}.")
        try:
            handle = self._open()
            with handle:
                return on_white(handle.associated_images[name])
        except openslide.OpenSlideError as error:
            raise SlideReadError(self._path, f"The associated image {name!r} cannot be decoded.") from error

    def close(self) -> None:
        """Let go of the file; reads under way finish first."""
        with self._lock:
            self._closed = True
            self._handle = None

    def _open(self) -> openslide.OpenSlide:
        try:
            return openslide.OpenSlide(self._entry)
        except (openslide.OpenSlideError, OSError) as error:
            raise _damaged(self._path, self._entry, error) from error

    def _retire(self, dead: openslide.OpenSlide) -> None:
        """Forget a failed handle; it is freed when its last reader lets go of it."""
        with self._lock:
            if self._handle is dead:
                self._handle = None

    def _read_alone(self, location: tuple[int, int], level: int, size: tuple[int, int]) -> RGB:
        try:
            handle = self._open()
            pixels = on_white(handle.read_region(location, level, size))
        except (openslide.OpenSlideError, SlideReadError) as error:
            self._watched.check()
            raise TileReadError(self._path, "A region of the slide cannot be decoded.") from error
        with self._lock:
            if self._handle is None and not self._closed:
                self._handle = handle
        return pixels


def _damaged(path: Path, entry: Path, error: Exception) -> SlideReadError:
    # OpenSlide names the file of a series that it stumbled over, which may be called after the patient.
    folder = re.escape(str(entry.parent))
    why = re.sub(rf"^Reading {folder}.*?: (?=\S+ )", "", str(error))
    why = why if entry == path else why.replace(str(entry), "a file of it")
    return SlideReadError(path, f"{path} cannot be opened: {why}.", "The file is damaged or incomplete: copy it again.")


def whole_start(first: int, downsample: float) -> tuple[int, int]:
    """Where to begin reading so that OpenSlide copies pixels of a level, instead of interpolating between them.

    Parameters
    ----------
    first : int
        The first pixel wanted, along one axis of the level.
    downsample : float
        Of the level, as OpenSlide states it.

    Returns
    -------
    location : int
        In level-0 pixels.
    margin : int
        Pixels of the level that are read before the first one wanted. 0 where no start near by would do, and the
        picture then lies up to half a level-0 pixel beside its true place.
    """
    exact = (first - np.arange(min(first, _LONGEST_MARGIN) + 1)) * downsample
    beside = np.abs(np.rint(exact) - exact) / downsample
    for limit in (COPIED, _NEARLY_COPIED):
        near = np.flatnonzero(beside <= limit)
        if near.size:
            return round(exact[near[0]]), int(near[0])
    return round(first * downsample), 0


def on_white(image: object) -> RGB:
    """RGBA to RGB over white: what the scanner did not store shows as glass.

    A pixel that OpenSlide put together from two tiles, between whose edges it fell, is a little transparent. It is the
    slide's all the same: from half up a pixel counts as stored.
    """
    rgba = np.asarray(image)
    alpha = rgba[..., 3:]
    colours = np.asarray(
        cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), dtype=np.uint8
    )  # eight times as fast as a copy of [..., :3]
    if alpha.min(initial=255) < _STORED:
        colours[np.broadcast_to(alpha < _STORED, colours.shape)] = 255
    return colours


def _metadata(handle: openslide.OpenSlide) -> SlideMetadata:
    properties: Mapping[str, str] = dict(handle.properties)
    width, height = handle.level_dimensions[0]
    levels = tuple(
        LevelShape(h, w, height / h, width / w, *_tile_shape(properties, level))
        for level, (w, h) in enumerate(handle.level_dimensions)
    )
    mpp, source = _mpp(properties)
    tile_px = tuple(int(properties.get(f"openslide.level[0].tile-{side}", 0)) for side in ("height", "width"))
    return SlideMetadata(
        levels=levels,
        mpp=mpp,
        mpp_source=source,
        codec=_codec(properties),
        tile_px=(tile_px[0], tile_px[1]),
        vendor=properties.get(openslide.PROPERTY_NAME_VENDOR, ""),
        bounds_px=_bounds(properties, height, width),
        icc_bytes=int(properties.get("openslide.icc-size", 0)),
        associated=tuple(handle.associated_images),
        properties=properties,
    )


def _tile_shape(properties: Mapping[str, str], level: int) -> tuple[int, int]:
    """The file's own tiles, in which OpenSlide decodes; where they are strips, tiny or huge, what suits a screen."""
    sides = tuple(int(properties.get(f"openslide.level[{level}].tile-{side}", 0)) for side in ("height", "width"))
    return (sides[0], sides[1]) if all(_TILE_SIDES[0] <= s <= _TILE_SIDES[1] for s in sides) else _USUAL_TILE


def _mpp(properties: Mapping[str, str]) -> tuple[tuple[float, float] | None, str]:
    try:
        mpp = tuple(float(properties[f"openslide.mpp-{axis}"]) for axis in "xy")
    except (KeyError, ValueError):
        return None, ""
    vendor = properties.get(openslide.PROPERTY_NAME_VENDOR, "")
    return (mpp[0], mpp[1]), _MPP_TAGS.get(vendor, "openslide.mpp-x")


def _bounds(properties: Mapping[str, str], rows: int, columns: int) -> tuple[int, int, int, int] | None:
    """(y, x, height, width), cut at the canvas's far edges; None where the corner itself lies outside the canvas."""
    try:
        y, x, height, width = (int(properties[f"openslide.bounds-{key}"]) for key in ("y", "x", "height", "width"))
    except (KeyError, ValueError):
        return None
    if not (0 <= y < rows and 0 <= x < columns and height > 0 and width > 0):
        return None
    return y, x, min(height, rows - y), min(width, columns - x)


def _codec(properties: Mapping[str, str]) -> str:
    """How tiles are compressed, where the properties tell; OpenSlide itself does not."""
    syntax = properties.get("dicom.TransferSyntaxUID")
    if syntax is not None:
        return _DICOM_CODECS.get(syntax, syntax)
    description = properties.get("tiff.ImageDescription", "")
    if re.search(r"\bJ2K\b|JPEG ?2000", description):
        return "JPEG 2000"
    return "JPEG" if "JPEG" in description else "unknown"
