"""What a damaged or malicious TIFF may hold that would lead a library astray, found before one is let loose on it.

Directories that follow each other in a circle keep a reader busy for ever; tiles of gigapixels and of gigabytes take
all memory, and OpenSlide ends the process where it gets none; entities unfold a header of a kilobyte to gigabytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_mmlnb.errors import SlideReadError
from napari_mmlnb.slides.backends.base import LARGEST_TILE_PX, LevelShape
from napari_mmlnb.slides.location import Location

_MOST_DIRECTORIES = 10_000
"""Slides have about ten, a stack of focal planes some hundreds."""

_JPEG2000 = b"\xff\x4f\xff\x51"

Numbers = npt.NDArray[np.float64]

_COPY = "The file is damaged or incomplete: copy it again."


def check_directories(location: Location, tif: tifffile.TiffFile) -> None:
    """Follow the chain of directories, reading no more than their lengths, and look at the header's text.

    Raises
    ------
    SlideReadError
        If it comes back to a directory, has no end, or the first description declares entities.
    """
    if "<!ENTITY" in tif.pages.first.description:
        problem = f"{location} has a header that declares entities, as no scanner's does."
        raise SlideReadError(location, problem, "Do not open it with other programs either.")
    seen: set[int] = set()
    for offset in _directories(tif):
        if offset in seen or len(seen) > _MOST_DIRECTORIES:
            raise SlideReadError(location, f"{location} has directories that follow each other without end.", _COPY)
        seen.add(offset)


def _directories(tif: tifffile.TiffFile) -> Iterator[int]:
    """Offsets of the directories, for as long as they lie in the file."""
    file, form = tif.filehandle, tif.tiff
    offset: int = tif.pages.first.offset
    while 0 < offset < file.size:
        yield offset
        file.seek(offset)
        count = _number(form.tagnoformat, file.read(form.tagnosize))
        file.seek(offset + form.tagnosize + count * form.tagsize)
        offset = _number(form.offsetformat, file.read(form.offsetsize))


def _number(form: str, data: bytes) -> int:
    if len(data) != struct.calcsize(form):
        return 0
    number: int = struct.unpack(form, data)[0]
    return number


def check_for_openslide(path: Path) -> None:
    """Look for what OpenSlide would answer by ending the process: tiles that no memory could hold.

    Parameters
    ----------
    path : Path
        Any file; what is no TIFF is left alone, and so is what tifffile cannot read, which OpenSlide then judges.

    Raises
    ------
    SlideReadError
        If there are such tiles.
    """
    try:
        with tifffile.TiffFile(path, _multifile=False) as tif:
            check_directories(path, tif)
            size = tif.filehandle.size
            huge = any(_is_huge(page.aspage(), size) for page in tif.pages)
    except SlideReadError:
        raise
    except Exception:  # whatever a damaged directory trips in tifffile
        return
    if huge:
        raise SlideReadError(path, f"{path} states tiles larger than the file or than any memory.", _COPY)


def _is_huge(page: Any, size: int) -> bool:
    if page.is_tiled and page.tilewidth * page.tilelength > LARGEST_TILE_PX:
        return True
    return bool(np.any(_numbers(page.databytecounts) > size))


def tile_problem(page: Any) -> str:
    """Why none of a page's tiles can be read, as the end of a sentence; nothing if some can."""
    if not LevelShape(page.imagelength, page.imagewidth, 1.0, 1.0, page.tilelength, page.tilewidth).possible:
        return f"states an impossible tile size, {page.tilewidth} x {page.tilelength} px"
    entries = (len(page.dataoffsets), len(page.databytecounts))
    if entries != (_tiles(page), _tiles(page)):
        return f"states a size of {_tiles(page)} tiles, but has a tile table for {min(entries)}"
    offsets, counts = _spans(page)
    if not counts.any():
        return "has no stored tile"
    return "ends before its first tile: it is incomplete" if (offsets + counts > _size(page)).all() else ""


def missing_tiles(page: Any, level: int) -> tuple[str, ...]:
    """How many tiles of a page lie beyond the end of the file, and how many were never stored, a sentence each."""
    offsets, counts = _spans(page)
    beyond = int(np.count_nonzero(offsets + counts > _size(page)))
    never = int(np.count_nonzero((offsets == 0) & (counts == 0)))
    of = f"of {len(counts)} tiles of level {level}"
    notes = []
    if beyond:
        share = f"{beyond / len(counts):.1%}"
        notes.append(f"{beyond} {of} ({share}) lie beyond the end of the file: it is incomplete, copy it again.")
    if never:
        notes.append(f"{never} {of} were never stored.")
    return tuple(notes)


def jpeg2000_size(data: bytes) -> tuple[int, int] | None:
    """Height and width that a JPEG 2000 codestream claims, for which a decoder would take memory; None for others."""
    start = data.find(_JPEG2000, 0, 256)
    if start < 0 or len(data) < start + 24:
        return None
    width, height, left, top = struct.unpack_from(">4I", data, start + len(_JPEG2000) + 4)
    return height - top, width - left


def _tiles(page: Any) -> int:
    return -(-int(page.imagelength) // int(page.tilelength)) * -(-int(page.imagewidth) // int(page.tilewidth))


def _size(page: Any) -> int:
    size: int = page.parent.filehandle.size
    return size


def _spans(page: Any) -> tuple[Numbers, Numbers]:
    """Offsets and byte counts of a page's tiles, (n,)."""
    return _numbers(page.dataoffsets), _numbers(page.databytecounts)


def _numbers(values: Any) -> Numbers:
    """As floating point, which is exact to 8 petabytes, and does not overflow where a table holds nonsense."""
    return np.asarray(values, dtype=np.float64)
