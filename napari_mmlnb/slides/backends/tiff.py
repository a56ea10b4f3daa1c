"""Tiled TIFF and OME-TIFF: tifffile for the structure, our own reads of the tiles.

A tile is read by its offset and decoded on its own: JPEG by `jpeg_stream`, which can also reduce while it decodes and
notices damage, every other codec by tifffile. Reading takes no lock where the system can read at a position.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_mmlnb.errors import SlideFormatError, SlideReadError, TileReadError
from napari_mmlnb.slides.backends.base import RGB, LevelShape, SlideMetadata, Suits
from napari_mmlnb.slides.backends.file_bytes import FileBytes
from napari_mmlnb.slides.backends.jpeg_stream import JpegError, JpegStream, is_whole
from napari_mmlnb.slides.backends.tiff_scale import tiff_mpp

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ICC_TAG = 34675

_UNTESTED = (tifffile.COMPRESSION.APERIO_JP2000_YCBC, tifffile.COMPRESSION.APERIO_JP2000_RGB)
_TILES_TO_COMPARE = 16
_NO_SLIDE = "Save it as tiled RGB TIFF, OME-TIFF or SVS with 8 bits per channel."


class TiffBackend:
    """Opens tiled RGB TIFF with its pyramid in pages or SubIFDs, OME-TIFF included."""

    name = "tiff"
    opens = "tiled RGB TIFF, OME-TIFF and Aperio SVS"
    licence = "BSD-3-Clause"

    def suits(self, path: Path) -> Suits:
        """Well where it begins like a TIFF; a fallback for Aperio's JPEG 2000, which was never tested on a real file."""
        if not _begins_like_tiff(path):
            return Suits.NOT
        try:
            with tifffile.TiffFile(path, _multifile=False) as tif:
                return Suits.FALLBACK if tif.pages.first.compression in _UNTESTED else Suits.WELL
        except Exception:  # whatever a damaged directory trips; opening it will say what
            return Suits.FALLBACK

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
        return TiffReader(path)


def _begins_like_tiff(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) in _MAGIC
    except OSError:
        return False


class TiffReader:
    """An open TIFF. Reads are safe from several threads.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    SlideReadError
        If its directory is damaged or it is no tiled RGB picture.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with tifffile.TiffFile(path, _multifile=False) as tif:
                self._pages = _level_pages(path, tif)
                self._associated = _associated_series(tif, self._pages)
                self._metadata = _metadata(tif, self._pages, tuple(self._associated))
                self._icc = _icc_profile(self._pages[0])
                self._aperio = bool(tif.is_svs)
        except SlideReadError:
            raise
        except Exception as error:  # whatever a damaged directory trips in tifffile
            raise _damaged(path, error) from error
        self._bytes = FileBytes(path)
        self._jpeg = tuple(self._jpeg_of(page) for page in self._pages)

    @property
    def metadata(self) -> SlideMetadata:
        """What the file says of itself."""
        return self._metadata

    def reductions(self, level: int) -> tuple[int, ...]:
        """By which factors a tile can be reduced while it is decoded: JPEG by 2, 4 and 8."""
        jpeg = self._jpeg[level]
        return (1,) if jpeg is None else jpeg.reductions

    def read_tile(self, level: int, row: int, column: int, reduce: int = 1) -> RGB:
        """One tile, (tile height // reduce, tile width // reduce, 3) uint8; white where no tile was ever stored."""
        page = self._pages[level]
        index = row * -(-page.imagewidth // page.tilewidth) + column
        data = self._stored(page, index)
        if data is None:
            return np.full((page.tilelength // reduce, page.tilewidth // reduce, 3), 255, dtype=np.uint8)
        jpeg = self._jpeg[level]
        if jpeg is None:
            return self._decoded(page, index, data)
        try:
            return jpeg.decode(data, reduce)
        except JpegError as error:
            raise TileReadError(self._path, "A tile of the slide cannot be decoded.") from error

    def icc_profile(self) -> bytes | None:
        """The embedded colour profile, or None."""
        return self._icc

    def associated_image(self, name: str) -> RGB:
        """An associated image by name.

        Raises
        ------
        SlideReadError
            If there is none of that name, or it cannot be decoded.
        """
        if name not in self._associated:
            raise SlideReadError(self._path, f"The slide has no associated image called {name!r}.")
        try:
            with tifffile.TiffFile(self._path, _multifile=False) as tif:
                pixels = tif.series[self._associated[name]].asarray()
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
        if count == 0 and (offset == 0 or not self._aperio):
            return None
        if count == 0:
            raise TileReadError(self._path, "The scanner left a tile of the slide empty.")
        return self._bytes.read(offset, count)

    def _decoded(self, page: Any, index: int, data: bytes) -> RGB:
        """A tile of any codec, by tifffile."""
        if page.compression == tifffile.COMPRESSION.JPEG and not is_whole(data):
            raise TileReadError(self._path, "A tile of the slide is incomplete.")
        try:
            pixels = page.decode(data, index, jpegtables=page.jpegtables, _fullsize=True)[0]
        except Exception as error:  # every codec has its own error type
            raise TileReadError(self._path, "A tile of the slide cannot be decoded.") from error
        shape = (page.tilelength, page.tilewidth)
        if pixels is None or pixels.shape[-3:-1] != shape or pixels.dtype != np.uint8:
            raise TileReadError(self._path, "A tile of the slide has the wrong size.")
        return np.ascontiguousarray(pixels.reshape(*shape, pixels.shape[-1])[..., :3])

    def _jpeg_of(self, page: Any) -> JpegStream | None:
        """Our own decoder for a page, once it has given the same pixels as tifffile's for a tile of it.

        A page whose JPEG is unusual, or whose first tiles are damaged, is left to tifffile's decoder.
        """
        if page.compression != tifffile.COMPRESSION.JPEG:
            return None
        jpeg = JpegStream(page)
        for index, count in enumerate(page.databytecounts[:_TILES_TO_COMPARE]):
            if count == 0:
                continue
            try:
                data = self._bytes.read(page.dataoffsets[index], count)
                if jpeg.agrees(data, self._decoded(page, index, data)):
                    return jpeg
            except TileReadError:
                continue
        return None


def _damaged(path: Path, error: Exception) -> SlideReadError:
    return SlideReadError(path, f"{path} cannot be read: {error}.", "The file is damaged or incomplete: copy it again.")


def _level_pages(path: Path, tif: Any) -> tuple[Any, ...]:
    """The pages of the pyramid, highest resolution first, checked to be what we read."""
    if not tif.series:
        raise SlideReadError(path, f"{path} holds no image.", _NO_SLIDE)
    series = _main_series(tif)
    if series.axes != "YXS":
        raise SlideReadError(path, f"{path} holds {_what(series)}, not one RGB picture.", _NO_SLIDE)
    first = series.levels[0].pages[0].aspage()
    problem = _unreadable(first)
    if problem:
        raise SlideReadError(path, f"{path} {problem}.", _NO_SLIDE)
    pages = [
        first,
        *(page for page in _reduced_pages(tif, series) if _same_view(page, first) and not _unreadable(page)),
    ]
    for page in pages:
        _ = page.decode, page.jpegtables  # tifffile fetches them from the file on first use, which will be closed
    pages.sort(key=lambda page: -page.imagewidth * page.imagelength)
    return tuple(pages)


def _reduced_pages(tif: Any, series: Any) -> list[Any]:
    """Pages and SubIFDs marked as reduced copies. tifffile's own levels leave out downsamples such as 2.5."""
    pages = [level.pages[0].aspage() for level in series.levels[1:]]
    known = {page.offset for page in pages}
    beside = [page.aspage() for page in [*tif.pages[1:], *(series.levels[0].pages[0].aspage().pages or [])]]
    return pages + [page for page in beside if page.is_reduced and page.offset not in known]


def _same_view(page: Any, first: Any) -> bool:
    """Whether a smaller page shows all of the first: the same aspect ratio, but for the rounding of its size."""
    expected = first.imagelength * page.imagewidth / first.imagewidth
    smaller: bool = page.imagewidth < first.imagewidth and page.imagelength < first.imagelength
    return smaller and bool(abs(page.imagelength - expected) <= 1 + first.imagelength / first.imagewidth)


def _main_series(tif: Any) -> Any:
    """The largest picture; labels and macros are smaller."""
    return max(tif.series, key=lambda series: float(np.prod([*series.shape, 1], dtype=np.float64)))


def _what(series: Any) -> str:
    names = {"C": "channels", "Z": "focal planes", "T": "time points", "S": "samples", "Q": "planes", "I": "images"}
    parts = [f"{n} {names.get(a, a)}" for a, n in zip(series.axes, series.shape, strict=False) if a not in "YX"]
    return f"{' x '.join(parts) or 'one channel'} of {series.dtype} (fluorescence, a stack or a mask)"


def _unreadable(page: Any) -> str:
    """Why a page is none of ours, or nothing."""
    problems = {
        "is not tiled": not page.is_tiled,
        f"holds {page.samplesperpixel} channels of {page.dtype}, not RGB with 8 bits": page.dtype != np.uint8
        or page.samplesperpixel not in (3, 4),
        "holds its colours in separate planes": page.planarconfig != tifffile.PLANARCONFIG.CONTIG,
        "holds other colours than RGB": page.photometric not in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR),
        "states an impossible size": min(page.imagelength, page.imagewidth) < 1 or page.imagedepth != 1,
    }
    problem = next((text for text, found in problems.items() if found), "")
    if problem:
        return problem
    if min(page.tilelength, page.tilewidth) < 1:
        return "states an impossible tile size"
    tiles = -(-page.imagelength // page.tilelength) * -(-page.imagewidth // page.tilewidth)
    if min(len(page.dataoffsets), len(page.databytecounts)) < tiles:
        return "has a tile table that is too short for its size"
    size = page.parent.filehandle.size
    gone = all(offset + count > size for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False))
    return "ends before its first tile: it is incomplete" if gone else ""


def _associated_series(tif: Any, levels: tuple[Any, ...]) -> dict[str, int]:
    """Names of the other pictures to their series. Their own names may hold patient data and are not passed on."""
    taken = {page.offset for page in levels}
    names: dict[str, int] = {}
    for index, series in enumerate(tif.series):
        page = series.pages[0]
        if page is None or page.offset in taken or series.dtype != np.uint8:
            continue
        said = f"{series.name} {page.aspage().description}".lower()
        kind = next((kind for kind in ("label", "macro", "thumbnail") if kind in said), f"image {index}")
        names[kind if kind not in names else f"{kind} {index}"] = index
    return names


def _icc_profile(page: Any) -> bytes | None:
    tag = page.tags.get(_ICC_TAG)
    return bytes(tag.value) if tag is not None and isinstance(tag.value, bytes) else None


def _metadata(tif: Any, pages: tuple[Any, ...], associated: tuple[str, ...]) -> SlideMetadata:
    first = pages[0]
    height, width = first.imagelength, first.imagewidth
    mpp, source = tiff_mpp(first, tif.ome_metadata if tif.is_ome else None)
    icc = _icc_profile(first)
    return SlideMetadata(
        levels=tuple(
            LevelShape(
                p.imagelength, p.imagewidth, height / p.imagelength, width / p.imagewidth, p.tilelength, p.tilewidth
            )
            for p in pages
        ),
        mpp=mpp,
        mpp_source=source,
        codec=first.compression.name.replace("_", " "),
        tile_px=(first.tilelength, first.tilewidth),
        vendor="ome-tiff" if tif.is_ome else "aperio" if tif.is_svs else "tiff",
        icc_bytes=len(icc) if icc is not None else 0,
        associated=associated,
    )
