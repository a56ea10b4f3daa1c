"""Tiled TIFF and OME-TIFF: tifffile for the structure, our own reads of the tiles.

A tile is read by its offset and decoded on its own: JPEG by `jpeg_stream`, which can also reduce while it decodes and
notices damage, every other codec by tifffile. Where the bytes come from, a file or a server, is all one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import tifffile

from napari_mmlnb.errors import SlideFormatError, SlideReadError, TileReadError
from napari_mmlnb.slides.backends.base import RGB, SlideMetadata, Suits
from napari_mmlnb.slides.backends.file_bytes import BytesSource, FileBytes
from napari_mmlnb.slides.backends.file_state import WatchedFiles
from napari_mmlnb.slides.backends.jpeg_stream import JpegError, JpegStream, frame_of, holds_ycbcr, is_whole
from napari_mmlnb.slides.backends.tiff_sanity import jpeg2000_size
from napari_mmlnb.slides.backends.tiff_structure import TiffStructure, damaged, read_structure
from napari_mmlnb.slides.location import Location

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How a TIFF begins: little and big endian, classic and BigTIFF."""

_UNTESTED = (tifffile.COMPRESSION.APERIO_JP2000_YCBC, tifffile.COMPRESSION.APERIO_JP2000_RGB)
_LEFT_TO_OPENSLIDE = ("ndpi", "scn", "bif", "philips")
_TILES_TO_COMPARE = 16


class TiffBackend:
    """Opens tiled RGB TIFF with its pyramid in pages or SubIFDs, OME-TIFF included."""

    name = "tiff"
    opens = "tiled RGB TIFF, OME-TIFF and Aperio SVS"
    licence = "BSD-3-Clause"
    where = (Path,)

    def suits(self, path: Path) -> Suits:
        """Well where it is a TIFF in tiles.

        Aperio's JPEG 2000 was never tested on a real file: well where tiles of this one come out as OpenSlide decodes
        them, else a fallback. So is what is not in tiles, so that whoever opens it can say so. Not for the vendors'
        TIFF that was never tested here either: where OpenSlide finds one of those damaged, this would show it without
        its offsets and overlaps.
        """
        if not _begins_like_tiff(path):
            return Suits.NOT
        try:
            with tifffile.TiffFile(path, _multifile=False) as tif:
                first = tif.pages.first
                if any(getattr(tif, f"is_{vendor}") for vendor in _LEFT_TO_OPENSLIDE):
                    return Suits.NOT
                if first.is_tiled and first.compression not in _UNTESTED:
                    return Suits.WELL
            return Suits.WELL if first.is_tiled and self._agrees_with_openslide(path) else Suits.FALLBACK
        except Exception:  # whatever a damaged directory trips; opening it will say what
            return Suits.FALLBACK

    def _agrees_with_openslide(self, path: Path) -> bool:
        from napari_mmlnb.slides.backends.openslide_check import agrees_with_openslide  # noqa: PLC0415 (seldom needed)

        reader = self.open(path)
        try:
            return agrees_with_openslide(path, reader)
        finally:
            reader.close()

    def open(self, path: Path) -> TiffReader:
        """Open it.

        Raises
        ------
        SlideFormatError
            If it is no TIFF.
        SlideReadError
            If the file is damaged, or holds something else than a tiled RGB picture (it says what).
        """
        if not _begins_like_tiff(path):
            raise SlideFormatError(path, self.opens)

        watched = WatchedFiles(path, [path])

        def opened() -> tifffile.TiffFile:
            watched.check()
            return tifffile.TiffFile(path, _multifile=False)

        try:
            tif = opened()
        except Exception as error:  # whatever a damaged directory trips in tifffile
            raise damaged(path, error) from error
        with tif:
            structure = read_structure(path, tif)
        source = FileBytes(path)
        watched.check()
        return TiffReader(path, structure, source, opened)


def _begins_like_tiff(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) in TIFF_MAGIC
    except OSError:
        return False


class TiffReader:
    """An open TIFF. Reads are safe from several threads.

    Parameters
    ----------
    location : Path or RemoteUrl
        The slide, for error messages.
    structure : TiffStructure
        Its levels.
    source : BytesSource
        Where the bytes of tiles come from; closed with this.
    opened : callable
        Opens the file once more, for the pictures beside the slide.
    """

    def __init__(
        self,
        location: Location,
        structure: TiffStructure,
        source: BytesSource,
        opened: Callable[[], AbstractContextManager[tifffile.TiffFile]],
    ) -> None:
        self._path = location
        self._structure = structure
        self._pages = structure.pages
        self._bytes = source
        self._opened = opened
        self._columns = tuple(-(-int(page.imagewidth) // int(page.tilewidth)) for page in self._pages)
        self._jpeg = tuple(self._jpeg_of(page) for page in self._pages)

    @property
    def metadata(self) -> SlideMetadata:
        """What the file says of itself."""
        return self._structure.metadata

    def reductions(self, level: int) -> tuple[int, ...]:
        """By which factors a tile can be reduced while it is decoded: JPEG by 2, 4 and 8."""
        jpeg = self._jpeg[level]
        return (1,) if jpeg is None else jpeg.reductions

    def read_tile(self, level: int, row: int, column: int, reduce: int = 1, out: RGB | None = None) -> RGB:
        """One tile, (tile height // reduce, tile width // reduce, 3) uint8; white where no tile was ever stored."""
        data = self.stored_bytes(level, row, column)
        if data is None:
            page = self._pages[level]
            return np.full((page.tilelength // reduce, page.tilewidth // reduce, 3), 255, dtype=np.uint8)
        return self.decode(level, row, column, data, reduce, out)

    def stored_bytes(self, level: int, row: int, column: int) -> bytes | None:
        """The bytes of a tile as they lie in the file; None for one that was never stored (a sparse file).

        Raises
        ------
        TileReadError
            If they are not there.
        """
        page = self._pages[level]
        return self._stored(page, row * self._columns[level] + column)

    def decode(self, level: int, row: int, column: int, data: bytes, reduce: int = 1, out: RGB | None = None) -> RGB:
        """What `stored_bytes` gave, as `read_tile` gives it.

        Raises
        ------
        TileReadError
            If it cannot be decoded.
        """
        jpeg = self._jpeg[level]
        if jpeg is None:
            page = self._pages[level]
            return self._decoded(page, row * self._columns[level] + column, data)
        try:
            return jpeg.decode(data, reduce, out)
        except JpegError as error:
            raise TileReadError(self._path, "A tile of the slide cannot be decoded.") from error

    def icc_profile(self) -> bytes | None:
        """The embedded colour profile, or None."""
        return self._structure.icc

    def associated_image(self, name: str) -> RGB:
        """An associated image by name.

        Raises
        ------
        SlideReadError
            If there is none of that name, or it cannot be decoded.
        """
        series = self._structure.associated.get(name)
        if series is None:
            raise SlideReadError(self._path, f"The slide has no associated image called {name!r}.")
        try:
            with self._opened() as tif:
                pixels = tif.series[series].asarray()
        except SlideReadError:
            raise
        except Exception as error:  # whatever a damaged file trips in the decoders
            raise SlideReadError(self._path, f"The associated image {name!r} cannot be decoded.") from error
        colours = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=-1)
        return np.ascontiguousarray(colours[..., :3])

    def close(self) -> None:
        """Let go of the file."""
        self._bytes.close()

    def _stored(self, page: Any, index: int) -> bytes | None:
        """The bytes of a tile; None for one that was never stored (a sparse file)."""
        try:
            offset, count = page.dataoffsets[index], page.databytecounts[index]
        except IndexError as error:
            raise TileReadError(self._path, "The slide's tile table is too short.") from error
        if count == 0 and offset == 0 and not self._structure.aperio:
            return None
        if count == 0:
            raise TileReadError(self._path, "A tile of the slide is empty.")
        return self._bytes.read(offset, count)

    def _decoded(self, page: Any, index: int, data: bytes) -> RGB:
        """A tile of any codec, by imagecodecs and tifffile."""
        jpeg = page.compression == tifffile.COMPRESSION.JPEG
        try:
            if jpeg:
                pixels = self._decoded_jpeg(page, data)
            elif jpeg2000_size(data) not in (None, (page.tilelength, page.tilewidth)):
                raise TileReadError(self._path, "A tile of the slide has the wrong size.")
            else:
                pixels = page.decode(data, index, jpegtables=page.jpegtables, _fullsize=True)[0]
        except TileReadError:
            raise
        except Exception as error:  # every codec has its own error type
            raise TileReadError(self._path, "A tile of the slide cannot be decoded.") from error
        shape = (page.tilelength, page.tilewidth)
        if pixels is None or pixels.shape[-3:-1] != shape or pixels.dtype != np.uint8:
            raise TileReadError(self._path, "A tile of the slide has the wrong size.")
        rgb = np.ascontiguousarray(pixels.reshape(*shape, pixels.shape[-1])[..., :3])
        ycbcr = page.compression == tifffile.COMPRESSION.APERIO_JP2000_YCBC  # which tifffile hands out as it is
        return np.asarray(cv2.cvtColor(rgb[..., (0, 2, 1)], cv2.COLOR_YCrCb2RGB)) if ycbcr else rgb

    def _decoded_jpeg(self, page: Any, data: bytes) -> Any:
        """A tile of JPEG of any kind. Not by tifffile, which would lay a tile of another size out anew."""
        frame = frame_of(data)
        if frame is None or not is_whole(data):
            raise TileReadError(self._path, "A tile of the slide is incomplete.")
        if (frame.height, frame.width) != (page.tilelength, page.tilewidth):
            raise TileReadError(self._path, "A tile of the slide has the wrong size.")
        colours = None if holds_ycbcr(data, page.photometric) else "RGB"
        return imagecodecs.jpeg_decode(data, tables=page.jpegtables, colorspace=colours, outcolorspace="RGB")

    def _jpeg_of(self, page: Any) -> JpegStream | None:
        """Our own decoder for a page, unless its JPEG is of an unusual kind or another decoder sees other pixels.

        Damaged tiles say nothing. Where the first ones all are, our own decoder is taken, the stricter one.
        """
        if page.compression != tifffile.COMPRESSION.JPEG:
            return None
        jpeg = JpegStream(page)
        for index, count in enumerate(page.databytecounts[:_TILES_TO_COMPARE]):
            if count == 0:
                continue
            try:
                data = self._bytes.read(page.dataoffsets[index], count)
                frame = frame_of(data)
                if frame is not None and not frame.usual:
                    return None
                return jpeg if np.array_equal(jpeg.decode(data), self._decoded(page, index, data)) else None
            except (TileReadError, JpegError):
                continue
        return jpeg
