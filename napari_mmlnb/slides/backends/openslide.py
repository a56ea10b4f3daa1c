"""Slides through OpenSlide: every vendor format that it knows, and DICOM."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openslide

from napari_mmlnb.errors import SlideFormatError, SlideReadError, TileReadError
from napari_mmlnb.slides.backends.base import RGB, LevelShape, SlideMetadata

_GENERIC = "generic-tiff"

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


class OpenSlideBackend:
    """Opens what OpenSlide recognises. It does not put itself forward for plain TIFF, but opens it when told to."""

    name = "openslide"
    opens = "SVS, NDPI, MRXS, SCN, BIF, VMS, PHILIPS TIFF, ZEISS CZI and other vendor slides, DICOM files and folders"
    licence = "LGPL-2.1"

    def accepts(self, path: Path) -> bool:
        """Whether OpenSlide recognises it as a vendor's format or DICOM."""
        return _recognised(path)[1] not in (None, _GENERIC)

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

    def read(self, level: int, y: int, x: int, height: int, width: int) -> RGB:
        """Level pixels, (height, width, 3) uint8; white outside the level and where the scanner stored nothing.

        OpenSlide takes level-0 positions: on a level whose downsample is not a whole number the picture is
        interpolated by OpenSlide and lies within half a level-0 pixel of its true place.
        """
        factor = self._downsamples[level]
        location = (round(x * factor), round(y * factor))
        with self._lock:
            if self._closed:
                raise SlideReadError(self._path, "The slide is closed.", "Open it again.")
            shared = self._handle
        if shared is not None:
            try:
                return _on_white(shared.read_region(location, level, (width, height)))
            except openslide.OpenSlideError:
                self._retire(shared)
        return self._read_alone(location, level, (width, height))

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
    levels = tuple(LevelShape(h, w, height / h, width / w) for w, h in handle.level_dimensions)
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
