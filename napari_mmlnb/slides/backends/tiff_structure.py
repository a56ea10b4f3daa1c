"""What a TIFF file says of its pyramid, read once while it is open.

Here lies what decides whether a TIFF is a slide: one RGB picture of 8 bits, tiled, with reduced copies of itself. All
else is refused with the reason. The pages outlive the file that they were read from: only tables are used afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import tifffile

from napari_mmlnb.errors import SlideKindError, SlideReadError
from napari_mmlnb.slides.backends.base import LevelShape, SlideMetadata
from napari_mmlnb.slides.backends.tiff_sanity import check_directories, missing_tiles, tile_problem
from napari_mmlnb.slides.backends.tiff_scale import tiff_mpp
from napari_mmlnb.slides.location import Location

_ICC_TAG = 34675
_COPY = "The file is damaged or incomplete: copy it again."
_NO_SLIDE = "Save it as tiled RGB TIFF, OME-TIFF or SVS with 8 bits per channel."


@dataclass(frozen=True)
class TiffStructure:
    """A TIFF's pyramid.

    Parameters
    ----------
    pages : tuple of tifffile.TiffPage
        One a level, highest resolution first.
    metadata : SlideMetadata
        What the file says of itself.
    icc : bytes or None
        The embedded colour profile.
    associated : mapping of str to int
        Names of the other pictures, and the series that hold them.
    aperio : bool
        Whether an Aperio scanner wrote it: it leaves tiles that it failed to store empty, where others leave out glass.
    """

    pages: tuple[Any, ...]
    metadata: SlideMetadata
    icc: bytes | None
    associated: Mapping[str, int]
    aperio: bool


def read_structure(
    location: Location, tif: tifffile.TiffFile, properties: Callable[[], Mapping[str, str]] = dict
) -> TiffStructure:
    """Read the structure of an open TIFF.

    Parameters
    ----------
    location : Path or RemoteUrl
        The slide, for error messages.
    tif : tifffile.TiffFile
        Open; it may be closed afterwards.
    properties : callable, optional
        Gives what else the file says, asked once it is known to be a slide.

    Raises
    ------
    SlideReadError
        If its directory is damaged or it is no tiled RGB picture.
    """
    try:
        pages, notes = _level_pages(location, tif)
        associated = _associated_series(tif, pages)
        icc = icc_profile(pages[0])
        metadata = _metadata(tif, pages, tuple(associated), len(icc) if icc is not None else 0, properties(), notes)
    except SlideReadError:
        raise
    except Exception as error:  # whatever a damaged directory trips in tifffile
        raise damaged(location, error) from error
    return TiffStructure(pages, metadata, icc, associated, bool(tif.is_svs))


def damaged(path: Location, error: Exception) -> SlideReadError:
    """The error for a TIFF whose directory cannot be read."""
    return SlideReadError(path, f"{path} cannot be read: {error}.", _COPY)


def _level_pages(path: Location, tif: Any) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """The pages of the pyramid, highest resolution first, checked to be what we read, and notes on what is missing."""
    check_directories(path, tif)
    if not tif.series:
        raise SlideReadError(path, f"{path} holds no image.", _NO_SLIDE)
    series = main_series(tif)
    if series.axes != "YXS":
        raise SlideKindError(path, f"{path} holds {what_it_holds(series)}, not one RGB picture.", _NO_SLIDE)
    first = series.levels[0].pages[0].aspage()
    other = _other_kind(first)
    if other:
        raise SlideReadError(path, f"{path} {other}.", _NO_SLIDE)
    problem = tile_problem(first) or ("has lost all but reduced copies of its picture" if first.is_reduced else "")
    if problem:
        raise SlideReadError(path, f"{path} {problem}.", _COPY)
    tiled = [page for page in _reduced_pages(tif, series) if page.is_tiled]
    reduced = [page for page in tiled if _same_view(page, first)]
    others = sorted((page for page in tiled if page not in reduced), key=lambda page: -page.imagewidth)
    if not reduced and any(_same_view(smaller, larger) for larger, smaller in pairwise(others)):
        problem = f"{path} states a size of {_size(first)} that none of its other levels fits"
        raise SlideReadError(path, f"{problem}.", _COPY)
    pages = [first, *(page for page in reduced if not _unreadable(page))]
    for page in pages:
        _ = page.decode, page.jpegtables  # tifffile fetches them from the file on first use, which will be closed
    pages.sort(key=lambda page: -page.imagewidth * page.imagelength)
    return tuple(pages), _notes(pages, reduced, others)


def _notes(pages: Sequence[Any], reduced: Sequence[Any], others: Sequence[Any]) -> tuple[str, ...]:
    """What is missing of the pyramid."""
    missing = [note for level, page in enumerate(pages) for note in missing_tiles(page, level)]
    lost = [(page, _unreadable(page)) for page in reduced]
    lost += [(page, "does not show what level 0 shows") for page in others]
    return (*missing, *(f"A level of {_size(page)} is left out: it {why}." for page, why in lost if why))


def _size(page: Any) -> str:
    return f"{page.imagewidth} x {page.imagelength} px"


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


def main_series(tif: Any) -> Any:
    """The largest picture; labels and macros are smaller."""
    return max(tif.series, key=lambda series: float(np.prod([*series.shape, 1], dtype=np.float64)))


def what_it_holds(series: Any) -> str:
    """Of a series that is no RGB picture, for a person."""
    names = {"C": "channels", "Z": "focal planes", "T": "time points", "S": "samples", "Q": "planes", "I": "images"}
    parts = [f"{n} {names.get(a, a)}" for a, n in zip(series.axes, series.shape, strict=False) if a not in "YX"]
    return f"{' x '.join(parts) or 'one channel'} of {series.dtype} (fluorescence, a stack or a mask)"


def _unreadable(page: Any) -> str:
    """Why a page cannot be read, as the end of a sentence, or nothing."""
    return _other_kind(page) or tile_problem(page)


def _other_kind(page: Any) -> str:
    """Why a page is none of ours, or nothing."""
    problems = {
        "is not tiled": not page.is_tiled,
        f"holds {page.samplesperpixel} channels of {page.dtype}, not RGB with 8 bits": page.dtype != np.uint8
        or page.samplesperpixel not in (3, 4),
        "holds its colours in separate planes": page.planarconfig != tifffile.PLANARCONFIG.CONTIG,
        "holds other colours than RGB": page.photometric not in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR),
        "states an impossible size": min(page.imagelength, page.imagewidth) < 1 or page.imagedepth != 1,
    }
    return next((text for text, found in problems.items() if found), "")


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


def icc_profile(page: Any) -> bytes | None:
    """The colour profile embedded in a page."""
    tag = page.tags.get(_ICC_TAG)
    return bytes(tag.value) if tag is not None and isinstance(tag.value, bytes) else None


def _metadata(
    tif: Any,
    pages: tuple[Any, ...],
    associated: tuple[str, ...],
    icc_bytes: int,
    properties: Mapping[str, str],
    notes: tuple[str, ...],
) -> SlideMetadata:
    first = pages[0]
    height, width = first.imagelength, first.imagewidth
    mpp, source = tiff_mpp(first, tif.ome_metadata if tif.is_ome else None)
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
        icc_bytes=icc_bytes,
        associated=associated,
        properties=properties,
        notes=notes,
    )
