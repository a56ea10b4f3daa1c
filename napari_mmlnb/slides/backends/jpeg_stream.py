"""JPEG streams as TIFF keeps them: tables apart, colours stated outside, sometimes cut short.

The colour space of a JPEG in a TIFF stands in the TIFF. A decoder that does not know it guesses from markers, and takes
RGB without an Adobe marker for YCbCr (47 grey levels wrong): so that marker is written into every stream.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import simplejpeg
import tifffile

from napari_mmlnb.slides.backends.base import RGB

REDUCTIONS = (1, 2, 4, 8)
"""What the inverse cosine transform can leave out: the same picture at a half, a quarter, an eighth."""

_START = b"\xff\xd8"
_END = b"\xff\xd9"
_JFIF = b"\xff\xe0"
_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"

# A decoder that is not strict fills up what is missing with grey. Within the data FF is followed by 00, so that the end
# marker stands at the end or nowhere; writers may pad after it.
_PADDING = 512


class JpegError(Exception):
    """A stream that cannot be decoded whole."""


class JpegStream:
    """Decodes the tiles of one TIFF page.

    Parameters
    ----------
    page : tifffile.TiffPage
        Of JPEG compression.
    """

    def __init__(self, page: Any) -> None:
        transform = 1 if page.photometric == tifffile.PHOTOMETRIC.YCBCR else 0
        tables = page.jpegtables
        self._head = _START + _ADOBE + bytes([transform]) + (tables[2:-2] if tables else b"")
        self._shape = (page.tilelength, page.tilewidth)
        self.reductions = tuple(factor for factor in REDUCTIONS if not any(side % factor for side in self._shape))

    def decode(self, data: bytes, reduce: int = 1) -> RGB:
        """The tile, (tile height // reduce, tile width // reduce, 3) uint8.

        Raises
        ------
        JpegError
            If the stream is damaged, cut short or of another size than the page states.
        """
        if not is_whole(data):
            raise JpegError("the stream is incomplete")
        height, width = self._shape[0] // reduce, self._shape[1] // reduce
        stream = self._head + _body(data)
        try:
            pixels: RGB = simplejpeg.decode_jpeg(
                stream, "RGB", min_height=height, min_width=width, min_factor=reduce, strict=True
            )
        except ValueError as error:
            raise JpegError(str(error)) from error
        if pixels.shape != (height, width, 3):
            raise JpegError(f"the stream holds {pixels.shape[1]} x {pixels.shape[0]} pixels")
        return pixels

    def agrees(self, data: bytes, expected: RGB) -> bool:
        """Whether this decoder gives exactly the pixels that another one gave."""
        try:
            return bool(np.array_equal(self.decode(data), expected))
        except JpegError:
            return False


def is_whole(data: bytes) -> bool:
    """Whether a stream begins and ends as a JPEG does."""
    return data[:2] == _START and _END in data[-_PADDING:]


def _body(data: bytes) -> bytes:
    """What follows the start marker, without a JFIF header, which would overrule the colour space of the TIFF."""
    if data[2:4] == _JFIF:
        return data[4 + int.from_bytes(data[4:6], "big") :]
    return data[2:]
