"""The tiles of one level of a DICOM slide, read and decoded frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import imagecodecs
import numpy as np
import tifffile

from napari_mmlnb.errors import TileReadError
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.backends.dicom_frames import FrameLayoutError, FrameTable, FrameTableError
from napari_mmlnb.slides.backends.dicom_header import DicomHeader
from napari_mmlnb.slides.backends.file_bytes import FileBytes
from napari_mmlnb.slides.backends.jpeg_stream import JpegError, JpegStream

_JPEG, _RAW = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.1"
_JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_PHOTOMETRIC = MappingProxyType({"YBR_FULL_422": tifffile.PHOTOMETRIC.YCBCR, "RGB": tifffile.PHOTOMETRIC.RGB})

Decode = Callable[[bytes, int, RGB | None], RGB]


@dataclass(frozen=True)
class _Page:
    """What `JpegStream` needs to know of the frames."""

    photometric: int
    tilelength: int
    tilewidth: int
    jpegtables: bytes | None = None


class DicomLevel:
    """A level whose frames are a full grid in one file; safe from several threads.

    Parameters
    ----------
    path : Path
        The slide, for error messages.
    header : DicomHeader
        Of the level's file.
    table : FrameTable
        Where its frames lie.

    Attributes
    ----------
    reductions : tuple of int
        By which factors a frame can be reduced while it is decoded.

    Raises
    ------
    FrameLayoutError
        If its frames are no full grid, or are of a kind that is not read here.
    SlideReadError
        If the file cannot be opened.
    """

    def __init__(self, path: Path, header: DicomHeader, table: FrameTable) -> None:
        if header.parts != 1 or header.frames_of_image != len(table.starts):
            raise FrameLayoutError("the frames are no full grid")
        self._path = path
        self._shape = header.tile
        self._columns = -(-header.matrix[1] // header.tile[1])
        self.reductions: tuple[int, ...] = (1,)
        self._decode = self._decoder(header)
        self._table = table
        self._bytes = FileBytes(header.path)

    @property
    def richest(self) -> tuple[int, int]:
        """Row and column of the frame with the most bytes."""
        return divmod(self._table.largest, self._columns)

    def stored_bytes(self, row: int, column: int) -> bytes:
        """The bytes of a frame as they lie in the file.

        Raises
        ------
        TileReadError
            If they are not there.
        """
        try:
            return self._table.read(self._bytes, row * self._columns + column)
        except FrameTableError as error:
            raise TileReadError(self._path, "A frame of the slide is not where it should be.") from error

    def decode(self, data: bytes, reduce: int = 1, out: RGB | None = None) -> RGB:
        """What `stored_bytes` gave, (rows // reduce, columns // reduce, 3) uint8; in `out` where that is given.

        Raises
        ------
        TileReadError
            If it cannot be decoded.
        """
        try:
            pixels = self._decode(data, reduce, out)
        except (JpegError, ValueError, RuntimeError) as error:  # Jpeg2kError is a RuntimeError
            raise TileReadError(self._path, "A frame of the slide cannot be decoded.") from error
        if pixels.shape != (self._shape[0] // reduce, self._shape[1] // reduce, 3) or pixels.dtype != np.uint8:
            raise TileReadError(self._path, "A frame of the slide has the wrong size.")
        return pixels

    def close(self) -> None:
        """Let go of the file."""
        self._bytes.close()

    def _decoder(self, header: DicomHeader) -> Decode:
        photometric = _PHOTOMETRIC.get(header.photometric)
        if header.samples != (3, 8):
            raise FrameLayoutError("the pixels are not RGB of 8 bits")
        if header.syntax == _JPEG and photometric is not None:
            jpeg = JpegStream(_Page(photometric, *self._shape))
            self.reductions = jpeg.reductions
            return jpeg.decode
        if header.syntax in _JPEG_2000:
            return _jpeg_2000
        if header.syntax == _RAW and photometric == tifffile.PHOTOMETRIC.RGB:
            return self._raw
        raise FrameLayoutError("the frames are of a kind that is not read here")

    def _raw(self, data: bytes, reduce: int, out: RGB | None) -> RGB:  # noqa: ARG002 (as the other decoders)
        return np.frombuffer(data, np.uint8).reshape(*self._shape, 3)


def _jpeg_2000(data: bytes, reduce: int, out: RGB | None) -> RGB:  # noqa: ARG001 (as the other decoders)
    return np.asarray(imagecodecs.jpeg2k_decode(data))
