"""DICOM whole slides: pydicom for the headers, our own reads of the frames, OpenSlide for all else.

Before anything is read it is known that the series is whole (`dicom_series`). Frames that are a full grid are read by
their place in the file and decoded on their own, several times faster than OpenSlide and without its interpolation
between levels; once a frame has come out exactly as OpenSlide decodes it. What is laid out otherwise (frames with
places of their own, levels in several files) comes through OpenSlide, and so do the pictures beside the slide.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_mmlnb.errors import SlideReadError, TileReadError
from napari_mmlnb.slides.backends.base import RGB, SlideMetadata, Suits
from napari_mmlnb.slides.backends.dicom_frames import FrameLayoutError
from napari_mmlnb.slides.backends.dicom_header import DicomHeader
from napari_mmlnb.slides.backends.dicom_level import DicomLevel
from napari_mmlnb.slides.backends.dicom_series import OPENS, DicomSeries, find_series, holds_dicom
from napari_mmlnb.slides.backends.openslide import OpenSlideReader

_TIFF_SUFFIXES = (".tif", ".tiff")


class DicomBackend:
    """Opens a folder that holds one DICOM whole slide, or the series that a file belongs to."""

    name = "dicom"
    opens = OPENS
    licence = "MIT (pydicom), LGPL-2.1 (OpenSlide)"
    where = (Path,)

    def suits(self, path: Path) -> Suits:
        """Well where there is DICOM, but for files that are TIFF at the same time and called so."""
        if path.suffix.lower() in _TIFF_SUFFIXES:
            return Suits.NOT
        return Suits.WELL if holds_dicom(path) else Suits.NOT

    def open(self, path: Path) -> DicomReader:
        """Open it.

        Raises
        ------
        SlideFormatError
            If there is no DICOM.
        SlideReadError
            If there is no whole slide or more than one, or if any of its files is missing, damaged or cut short.
        """
        series = find_series(path)
        return DicomReader(path, series, OpenSlideReader(path, series.entry))


class DicomReader:
    """An open DICOM slide. Reads are safe from several threads.

    Parameters
    ----------
    path : Path
        What the person named, for error messages.
    series : DicomSeries
        Its files.
    openslide : OpenSlideReader
        The same slide; closed with this.

    Raises
    ------
    SlideReadError
        If OpenSlide leaves out the finest level, and would show the next as the slide.
    """

    def __init__(self, path: Path, series: DicomSeries, openslide: OpenSlideReader) -> None:
        self._path = path
        self._openslide = openslide
        first, finest = openslide.metadata.levels[0], series.levels[0].matrix
        if (first.height, first.width) != finest:
            openslide.close()
            problem = f"{path} cannot be opened: OpenSlide does not know the kind of its finest level."
            raise SlideReadError(path, problem, "Convert it, for example with wsidicomizer.")
        self._own = tuple(self._own_level(series, level) for level in range(len(self.metadata.levels)))

    @property
    def metadata(self) -> SlideMetadata:
        """What the file says of itself."""
        return self._openslide.metadata

    def reductions(self, level: int) -> tuple[int, ...]:
        """By which factors a tile can be reduced while it is decoded: JPEG by 2, 4 and 8."""
        own = self._own[level]
        return self._openslide.reductions(level) if own is None else own.reductions

    def read_tile(self, level: int, row: int, column: int, reduce: int = 1, out: RGB | None = None) -> RGB:
        """One tile, (tile height // reduce, tile width // reduce, 3) uint8; white where the scanner stored nothing."""
        own = self._own[level]
        if own is None:
            return self._openslide.read_tile(level, row, column, reduce)
        return own.decode(own.stored_bytes(row, column), reduce, out)

    def icc_profile(self) -> bytes | None:
        """The embedded colour profile, or None.

        Raises
        ------
        SlideReadError
            If it cannot be read.
        """
        return self._openslide.icc_profile()

    def associated_image(self, name: str) -> RGB:
        """An associated image by name.

        Raises
        ------
        SlideReadError
            If there is none of that name, or it cannot be decoded.
        """
        return self._openslide.associated_image(name)

    def close(self) -> None:
        """Let go of the files."""
        self._openslide.close()
        for own in self._own:
            if own is not None:
                own.close()

    def _own_level(self, series: DicomSeries, level: int) -> DicomLevel | None:
        """Our own reading of a level; None where it is left to OpenSlide."""
        header = self._only_header(series, level)
        table = series.frames.get(header.path) if header is not None else None
        if header is None or table is None:
            return None
        try:
            own = DicomLevel(self._path, header, table)
        except (FrameLayoutError, SlideReadError):
            return None
        if self._agrees(own, level):
            return own
        own.close()
        return None

    def _only_header(self, series: DicomSeries, level: int) -> DicomHeader | None:
        """The header of a level that lies in one file, in tiles of its own size."""
        shape = self.metadata.levels[level]
        headers = [header for header in series.levels if header.matrix == (shape.height, shape.width)]
        if len(headers) != 1 or headers[0].tile != (shape.tile_height, shape.tile_width):
            return None
        return headers[0]

    def _agrees(self, own: DicomLevel, level: int) -> bool:
        """Whether our own pixels are OpenSlide's: on the first frame, and on level 0 on the one that shows most.

        On other levels OpenSlide interpolates, but for the first frame.
        """
        shape = self.metadata.levels[level]
        for row, column in {(0, 0), own.richest if level == 0 else (0, 0)}:
            inside = (
                slice(min(shape.tile_height, shape.height - row * shape.tile_height)),
                slice(min(shape.tile_width, shape.width - column * shape.tile_width)),
            )
            try:
                mine = own.decode(own.stored_bytes(row, column))
                theirs = self._openslide.read_tile(level, row, column)
            except TileReadError:
                return False
            if not np.array_equal(mine[inside], theirs[inside]):
                return False
        return True
