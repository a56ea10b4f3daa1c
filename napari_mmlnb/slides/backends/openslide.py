"""Slides through OpenSlide: every vendor format that it knows, and DICOM."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openslide

from napari_mmlnb.errors import SlideFormatError, SlideReadError, TileReadError
from napari_mmlnb.slides.backends.base import RGB, USUAL_TILE_PX, LevelShape, SlideMetadata, Suits

_GENERIC = "generic-tiff"
_TILE_SIDES = (128, 2048)
_USUAL_TILE = (USUAL_TILE_PX, USUAL_TILE_PX)

# The tags behind OpenSlide's own mpp, by vendor, so that a person can look the number up in the file.
_MPP_TAGS = {"aperio": "aperio.MPP", "dicom": "dicom.PixelSpacing", _GENERIC: "tiff.XResolution"}

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


class OpenSlideBackend:
    """Opens what OpenSlide recognises. It stands back where the TIFF backend can, but opens that too when told to."""

    name = "openslide"
    opens = "SVS, NDPI, MRXS, SCN, BIF, VMS, PHILIPS TIFF, ZEISS CZI and other vendor slides, DICOM files and folders"
    licence = "LGPL-2.1"

    def suits(self, path: Path) -> Suits:
        """Well where OpenSlide recognises a vendor's format or DICOM that is not left to the TIFF backend."""
        vendor = _recognised(path)[1]
        if vendor is None:
            return Suits.NOT
        return Suits.FALLBACK if vendor in _LEFT_TO_TIFF else Suits.WELL

    def open(self, path: Path) -> OpenSlideReader:
        """Open it.

        Raises
        ------
        SlideFormatError
            If OpenSlide does not recognise it.
        SlideReadError
            If the file or folder is damaged.
        """
        entry, vendor = _recognised(path)
        if vendor is None:
            raise SlideFormatError(path, self.opens)
        return OpenSlideReader(path, entry)


def _recognised(path: Path) -> tuple[Path, str | None]:
    """The file to hand to OpenSlide (the slide itself, or one instance of a DICOM folder) and the format's name."""
    candidates = sorted(path.glob("*.dcm")) if path.is_dir() else [path]
    for candidate in candidates:
        try:
            vendor = openslide.OpenSlide.detect_format(candidate)
        except openslide.OpenSlideError:
            continue
        if vendor is not None:
            return candidate, vendor
    return path, None


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
        self._handle: openslide.OpenSlide | None = self._open()
        try:
            self._metadata = _metadata(self._handle)
            self._downsamples: tuple[float, ...] = tuple(self._handle.level_downsamples)
        except openslide.OpenSlideError as error:
            raise _damaged(path, error) from error

    @property
    def metadata(self) -> SlideMetadata:
        """What the file says of itself."""
        return self._metadata

    def reductions(self, level: int) -> tuple[int, ...]:  # noqa: ARG002 (the protocol's)
        """OpenSlide decodes at full size only."""
        return (1,)

    def read_tile(self, level: int, row: int, column: int, reduce: int = 1) -> RGB:
        """One tile, (tile height, tile width, 3) uint8; white where the scanner stored nothing.

        OpenSlide takes level-0 positions: on a level whose downsample is not a whole number the picture is
        interpolated by OpenSlide and lies within half a level-0 pixel of its true place.
        """
        if reduce != 1:
            raise ValueError(f"OpenSlide cannot decode at 1/{reduce}")
        shape = self._metadata.levels[level]
        factor = self._downsamples[level]
        location = (round(column * shape.tile_width * factor), round(row * shape.tile_height * factor))
        size = (shape.tile_width, shape.tile_height)
        with self._lock:
            if self._closed:
                raise SlideReadError(self._path, "The slide is closed.", "Open it again.")
            shared = self._handle
        if shared is not None:
            try:
                return _on_white(shared.read_region(location, level, size))
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
        except openslide.OpenSlideError as error:
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
                return _on_white(handle.associated_images[name])
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
            raise _damaged(self._path, error) from error

    def _retire(self, dead: openslide.OpenSlide) -> None:
        """Forget a failed handle; it is freed when its last reader lets go of it."""
        with self._lock:
            if self._handle is dead:
                self._handle = None

    def _read_alone(self, location: tuple[int, int], level: int, size: tuple[int, int]) -> RGB:
        try:
            handle = self._open()
            pixels = _on_white(handle.read_region(location, level, size))
        except (openslide.OpenSlideError, SlideReadError) as error:
            raise TileReadError(self._path, "A region of the slide cannot be decoded.") from error
        with self._lock:
            if self._handle is None and not self._closed:
                self._handle = handle
        return pixels


def _damaged(path: Path, error: Exception) -> SlideReadError:
    return SlideReadError(
        path, f"{path} cannot be opened: {error}.", "The file is damaged or incomplete: copy it again."
    )


def _on_white(image: object) -> RGB:
    """RGBA to RGB over white: what the scanner did not store shows as glass."""
    rgba = np.asarray(image)
    alpha = rgba[..., 3:]
    if alpha.min(initial=255) == 255:
        return np.ascontiguousarray(rgba[..., :3])
    weighted = rgba[..., :3].astype(np.uint16) * alpha + 255 * (255 - alpha.astype(np.uint16))
    blended: RGB = ((weighted + 127) // 255).astype(np.uint8)
    return blended


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
        bounds_px=_bounds(properties),
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


def _bounds(properties: Mapping[str, str]) -> tuple[int, int, int, int] | None:
    try:
        y, x, height, width = (int(properties[f"openslide.bounds-{key}"]) for key in ("y", "x", "height", "width"))
    except (KeyError, ValueError):
        return None
    return y, x, height, width


def _codec(properties: Mapping[str, str]) -> str:
    """How tiles are compressed, where the properties tell; OpenSlide itself does not."""
    syntax = properties.get("dicom.TransferSyntaxUID")
    if syntax is not None:
        return _DICOM_CODECS.get(syntax, syntax)
    description = properties.get("tiff.ImageDescription", "")
    if re.search(r"\bJ2K\b|JPEG ?2000", description):
        return "JPEG 2000"
    return "JPEG" if "JPEG" in description else "unknown"
