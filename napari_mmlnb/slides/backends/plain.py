"""Plain pictures as slides of one level: PNG, JPEG, BMP and TIFF in strips, up to `LARGEST_PX` pixels.

A picture is decoded as a whole when its first tile is asked for, and kept until the slide is closed; coarser levels are
computed by the pyramid. Pixels are those stored: an EXIF orientation is recorded among the properties and not applied,
so that regions drawn in programs that leave it out too (QuPath, napari) lie where they were drawn.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import tifffile

from napari_mmlnb.errors import SlideFormatError, SlideReadError, TileReadError
from napari_mmlnb.slides.backends.base import RGB, USUAL_TILE_PX, LevelShape, SlideMetadata, Suits
from napari_mmlnb.slides.backends.plain_formats import LARGEST_PX, PictureFormat, format_of, is_tiff, too_large

_SCANNERS = ("ndpi", "svs", "scn", "bif", "philips", "qpi")


class PlainBackend:
    """Opens pictures without a pyramid."""

    name = "plain"
    opens = "PNG, JPEG, BMP and TIFF in strips (RGB, 8 bit, up to 150 megapixels)"
    licence = "BSD-3-Clause, HPND (Pillow)"
    where = (Path,)

    def suits(self, path: Path) -> Suits:
        """Well where it begins like one, and is no TIFF in tiles or of a scanner."""
        kind = format_of(path)
        return Suits.NOT if kind is None or (is_tiff(kind) and not _is_flat(path)) else Suits.WELL

    def open(self, path: Path) -> PlainReader:
        """Open it. Only its head is read.

        Raises
        ------
        SlideFormatError
            If it is no such picture.
        SlideKindError
            If it is in order, but not RGB with 8 bits per channel.
        SlideReadError
            If its head is damaged, or it is too large.
        """
        kind = format_of(path)
        if kind is None:
            raise SlideFormatError(path, self.opens)
        return PlainReader(path, kind)


def _is_flat(path: Path) -> bool:
    """Whether a TIFF is in strips and of no scanner; not where its directory is too damaged to say."""
    try:
        with tifffile.TiffFile(path, _multifile=False) as tif:
            return not tif.pages.first.is_tiled and not any(getattr(tif, f"is_{vendor}") for vendor in _SCANNERS)
    except Exception:  # whatever a damaged directory trips
        return False


class PlainReader:
    """An open picture. Reads are safe from several threads.

    Parameters
    ----------
    path : Path
        The file.
    kind : PictureFormat
        Its format.
    """

    def __init__(self, path: Path, kind: PictureFormat) -> None:
        self._path = path
        self._kind = kind
        self._lock = threading.Lock()
        self._pixels: RGB | None = None
        self._failed = False
        self._closed = False
        try:
            self._head = kind.head(path)
        except SlideReadError:
            raise
        except Exception as error:  # every format has its own error types
            problem = f"{path} cannot be read as {kind.name} ({type(error).__name__})."
            raise SlideReadError(path, problem, "The file is damaged or incomplete: copy it again.") from error
        if min(self._head.height, self._head.width) < 1:
            raise SlideReadError(path, f"{path} states an impossible size.", "Copy it again.")
        if self._head.height * self._head.width > LARGEST_PX:
            raise too_large(path)

    @property
    def metadata(self) -> SlideMetadata:
        """What the file says of itself."""
        head = self._head
        return SlideMetadata(
            levels=(LevelShape(head.height, head.width, 1.0, 1.0, USUAL_TILE_PX, USUAL_TILE_PX),),
            mpp=head.mpp,
            mpp_source=head.mpp_source,
            codec=self._kind.name,
            tile_px=(0, 0),
            vendor="plain picture",
            icc_bytes=len(head.icc) if head.icc is not None else 0,
            properties=head.properties,
        )

    def reductions(self, level: int) -> tuple[int, ...]:  # noqa: ARG002 (the protocol's)
        """It is decoded at full size only."""
        return (1,)

    def read_tile(self, level: int, row: int, column: int, reduce: int = 1, out: RGB | None = None) -> RGB:  # noqa: ARG002
        """One tile, (512, 512, 3) uint8, cut from the decoded picture."""
        if reduce != 1:
            raise ValueError(f"a plain picture cannot be decoded at 1/{reduce}")
        top, left = row * USUAL_TILE_PX, column * USUAL_TILE_PX
        part = self._decoded()[top : top + USUAL_TILE_PX, left : left + USUAL_TILE_PX]
        tile = np.full((USUAL_TILE_PX, USUAL_TILE_PX, 3), 255, np.uint8)
        tile[: part.shape[0], : part.shape[1]] = part
        return tile

    def icc_profile(self) -> bytes | None:
        """The embedded colour profile, or None."""
        return self._head.icc

    def associated_image(self, name: str) -> RGB:
        """There is none.

        Raises
        ------
        SlideReadError
            Always.
        """
        raise SlideReadError(self._path, f"The slide has no associated image called {name!r}.")

    def close(self) -> None:
        """Let go of the picture. Safe to call twice."""
        with self._lock:
            self._closed = True
            self._pixels = None

    def _decoded(self) -> RGB:
        """All pixels. A file that could not be decoded is not tried again: every tile of it is unreadable."""
        with self._lock:
            if self._closed:
                raise SlideReadError(self._path, "The slide is closed.", "Open it again.")
            if self._pixels is None and not self._failed:
                try:
                    self._pixels = self._kind.decode(self._path)
                except Exception as error:  # every decoder has its own error types
                    self._failed = True
                    raise self._undecodable() from error
            if self._pixels is None:
                raise self._undecodable()
            if self._pixels.shape != (self._head.height, self._head.width, 3):
                self._pixels, self._failed = None, True
                raise self._undecodable()
            return self._pixels

    def _undecodable(self) -> TileReadError:
        return TileReadError(self._path, f"{self._path} cannot be decoded whole.", "It is damaged: copy it again.")
