"""JPEG streams as TIFF keeps them: tables apart, colours stated outside, sometimes cut short.

The colour space of a JPEG in a TIFF stands in the TIFF. A decoder that does not know it guesses from markers, and takes
RGB without an Adobe marker for YCbCr (47 grey levels wrong): so that marker is written into every stream. One thing
stands above the TIFF: a stream with a JFIF header holds YCbCr, whatever its page says, as QuPath writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
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


_HUFFMAN = (0xC0, 0xC1, 0xC2)
_NO_FRAME = (0xC4, 0xC8, 0xCC)


class JpegError(Exception):
    """A stream that cannot be decoded whole."""


@dataclass(frozen=True)
class JpegFrame:
    """What the frame header of a stream says.

    Parameters
    ----------
    process : int
        The marker: 0xC0 for baseline, 0xC2 for progressive, 0xC3 for lossless.
    bits, height, width, components : int
        Of the picture.
    end : int
        Where the header ends in the stream, in bytes.
    """

    process: int
    bits: int
    height: int
    width: int
    components: int
    end: int

    @property
    def usual(self) -> bool:
        """Whether it is of the kind that `JpegStream` decodes."""
        return self.process in _HUFFMAN and self.bits == 8 and self.components == 3


class JpegStream:
    """Decodes the tiles of one TIFF page.

    Parameters
    ----------
    page : tifffile.TiffPage
        Of JPEG compression.
    """

    def __init__(self, page: Any) -> None:
        tables = page.jpegtables
        self._heads = {
            ycbcr: _START + _ADOBE + bytes([ycbcr]) + (tables[2:-2] if tables else b"") for ycbcr in (False, True)
        }
        self._photometric = page.photometric
        self._shape = (page.tilelength, page.tilewidth)
        self._usual = _Beginning(b"\0", b"")
        self.reductions = tuple(factor for factor in REDUCTIONS if not any(side % factor for side in self._shape))

    def decode(self, data: bytes, reduce: int = 1, out: RGB | None = None) -> RGB:
        """The tile, (tile height // reduce, tile width // reduce, 3) uint8; in `out` where that is given.

        Raises
        ------
        JpegError
            If the stream is damaged, cut short or of another size than the page states.
        """
        if not is_whole(data):
            raise JpegError("the stream is incomplete")
        begins = self._usual
        if not data.startswith(begins.stored):
            begins = self._usual = self._beginning(data)
        stream = begins.decoded + data[len(begins.stored) :]
        height, width = self._shape[0] // reduce, self._shape[1] // reduce
        # Of the right size, so that a stream that claims another one can take no memory for it.
        out = np.empty((height, width, 3), np.uint8) if out is None else out
        try:
            pixels: RGB = simplejpeg.decode_jpeg(
                stream, "RGB", min_height=height, min_width=width, min_factor=reduce, buffer=out, strict=True
            )
        except ValueError as error:
            raise JpegError(str(error)) from error
        if pixels.shape != (height, width, 3):
            raise JpegError(f"the stream holds {pixels.shape[1]} x {pixels.shape[0]} pixels")
        return pixels

    def _beginning(self, data: bytes) -> _Beginning:
        """Look through a stream up to its frame header, which the other tiles of a page mostly share byte for byte."""
        frame = frame_of(data)
        # The decoder would reduce one of twice the size once more than asked for, and the result would fit.
        if frame is None or (frame.height, frame.width) != self._shape:
            raise JpegError(f"the stream holds {frame or 'no picture'}")
        stored = data[: frame.end]
        return _Beginning(stored, self._heads[holds_ycbcr(data, self._photometric)] + _body(stored))


@dataclass(frozen=True)
class _Beginning:
    """A stream up to the end of its frame header.

    Parameters
    ----------
    stored : bytes
        As it lies in the file.
    decoded : bytes
        What the decoder is given instead: with the tables and the marker of the colour space.
    """

    stored: bytes
    decoded: bytes


def is_whole(data: bytes) -> bool:
    """Whether a stream begins and ends as a JPEG does."""
    return data.startswith(_START) and (data.endswith(_END) or _END in data[-_PADDING:])


def holds_ycbcr(data: bytes, photometric: int) -> bool:
    """Whether a stream holds YCbCr, on a page of that photometric interpretation; else it holds RGB."""
    return photometric == tifffile.PHOTOMETRIC.YCBCR or data[2:4] == _JFIF


def frame_of(data: bytes) -> JpegFrame | None:
    """The frame header of a stream; None where there is none."""
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        process, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if process == 0xFF:  # a fill byte
            at += 1
            continue
        if 0xC0 <= process <= 0xCF and process not in _NO_FRAME:
            height, width = (int.from_bytes(data[start : start + 2], "big") for start in (at + 5, at + 7))
            return JpegFrame(process, data[at + 4], height, width, data[at + 9], at + 2 + length)
        at += 2 + length
    return None


def _body(data: bytes) -> bytes:
    """What follows the start marker, without a JFIF header, which would overrule the colour space of the TIFF."""
    if data[2:4] == _JFIF:
        return data[4 + int.from_bytes(data[4:6], "big") :]
    return data[2:]
