"""Which DICOM files make up one whole slide, and whether all of them are there.

A whole slide is a series: one instance for each level of the pyramid (or several, where a level is cut up) and others
for label, overview and thumbnail, usually in a folder of their own. OpenSlide finds them by the series' UID in the
folder of the file that it is given, shows what it finds, and says nothing of what is missing. So that is looked at
here, before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_mmlnb.errors import SlideError, SlideFormatError, SlideKindError, SlideReadError
from napari_mmlnb.slides.backends.dicom_frames import (
    FrameLayoutError,
    FrameTable,
    FrameTableError,
    read_frame_table,
)
from napari_mmlnb.slides.backends.dicom_header import DicomHeader, DicomHeaderError, begins_like_dicom, read_header

OPENS = "DICOM whole slides: a folder of instances, or one of its files"

_COPY = "Copy the whole series again."
_APART = "Put the files of the wanted one into a folder of its own, or name one of its files."


@dataclass(frozen=True)
class DicomSeries:
    """The files of one whole slide, all there.

    Parameters
    ----------
    headers : tuple of DicomHeader
        At least one is a level.
    frames : mapping of Path to FrameTable
        Where the frames of a file lie, where that can be told.
    """

    headers: tuple[DicomHeader, ...]
    frames: Mapping[Path, FrameTable]

    @property
    def levels(self) -> tuple[DicomHeader, ...]:
        """Those that hold pixels of the pyramid, the finest first."""
        found = [header for header in self.headers if header.is_level]
        return tuple(sorted(found, key=lambda header: (-header.matrix[0] * header.matrix[1], header.path.name)))

    @property
    def entry(self) -> Path:
        """The file to hand to OpenSlide."""
        return self.levels[0].path


def holds_dicom(path: Path) -> bool:
    """Whether a file begins like DICOM, or a folder holds such a file. Reads a few bytes, and never raises."""
    try:
        return any(map(begins_like_dicom, _candidates(path))) if path.is_dir() else begins_like_dicom(path)
    except OSError:
        return False


def series_files(path: Path) -> tuple[Path, ...]:
    """The files of the whole slide at a path, missing ones or not; none where there is no single one. Never raises."""
    try:
        headers, _ = _headers(path, _candidates(path if path.is_dir() else path.parent))
        chosen = _only_series(path, headers, 0) if path.is_dir() else _series_of(path, headers)
    except (SlideError, OSError):
        return ()
    return tuple(header.path for header in chosen)


def find_series(path: Path) -> DicomSeries:
    """The whole slide that a folder holds, or that a file belongs to.

    Parameters
    ----------
    path : Path
        A folder, or one file of a series, whose other files lie beside it.

    Raises
    ------
    SlideFormatError
        If there is no DICOM.
    SlideReadError
        If there is no whole slide, more than one, or one that is incomplete or inconsistent. The text names no file,
        for those are often called after the patient.
    """
    members = _candidates(path if path.is_dir() else path.parent)
    headers, damaged = _headers(path, members)
    chosen = _only_series(path, headers, damaged) if path.is_dir() else _series_of(path, headers)
    if damaged:
        what = "one DICOM file" if damaged == 1 else f"{damaged} DICOM files"
        where = "in it" if path.is_dir() else "beside it"
        raise _incomplete(path, f"{what} {where} cannot be read and may belong to this slide")
    _check(path, chosen)
    return DicomSeries(tuple(chosen), _frames(path, chosen))


def _candidates(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))


def _headers(path: Path, members: Sequence[Path]) -> tuple[list[DicomHeader], int]:
    """The headers of the DICOM files among some, and how many of those cannot be read."""
    headers, damaged = [], 0
    for member in members:
        named = member.suffix.lower() == ".dcm"
        if not (named or begins_like_dicom(member)):
            continue
        try:
            header = read_header(member)
        except DicomHeaderError:
            damaged += 1
            continue
        if not header.is_directory:
            headers.append(header)
    if not headers and not damaged:
        raise SlideFormatError(path, OPENS)
    return headers, damaged


def _only_series(path: Path, headers: Sequence[DicomHeader], damaged: int) -> list[DicomHeader]:
    slides = _by_series(header for header in headers if header.is_whole_slide)
    if len(slides) == 1:
        return next(iter(slides.values()))
    others = _by_series(header for header in headers if not header.is_whole_slide)
    listed = "; ".join(_described(series) for series in [*slides.values(), *others.values()])
    if slides:
        raise SlideReadError(path, f"{path} holds {len(slides)} whole slides, not one: {listed}.", _APART)
    if damaged and not others:
        raise _incomplete(path, "none of its DICOM files can be read")
    problem = f"{path} holds no whole slide, but {len(others)} other DICOM series: {listed}."
    raise SlideKindError(path, problem, "Name a folder of whole-slide instances (VL Whole Slide Microscopy Image).")


def _series_of(path: Path, headers: Sequence[DicomHeader]) -> list[DicomHeader]:
    own = next((header for header in headers if header.path == path), None)
    if own is None:
        raise _incomplete(path, "its header is damaged or cut short")
    if not own.is_whole_slide:
        problem = f"{path} is a DICOM file of another kind ({own.modality}), not a whole slide."
        raise SlideKindError(path, problem, "Name a file of a VL Whole Slide Microscopy Image.")
    return [header for header in headers if header.is_whole_slide and header.series == own.series]


def _by_series(headers: Iterable[DicomHeader]) -> dict[str, list[DicomHeader]]:
    series: dict[str, list[DicomHeader]] = {}
    for header in headers:
        series.setdefault(header.series, []).append(header)
    return series


def _described(series: Sequence[DicomHeader]) -> str:
    """A series without a word that could name a person: modality, largest size, number of files."""
    first = max(series, key=lambda header: header.matrix[0] * header.matrix[1] * (1 + header.is_level))
    size = f" {_size(first)}" if all(first.matrix) else ""
    return f"{first.modality}{size} ({len(series)} file{'s' if len(series) > 1 else ''})"


def _size(header: DicomHeader) -> str:
    return f"{header.matrix[1]} x {header.matrix[0]} px"


def _incomplete(path: Path, why: str) -> SlideReadError:
    return SlideReadError(path, f"{path} cannot be opened: {why}.", _COPY)


def _check(path: Path, headers: Sequence[DicomHeader]) -> None:
    """That nothing of a series is missing, and nothing in it is another slide's."""
    levels = [header for header in headers if header.is_level]
    if not levels:
        raise _incomplete(path, "the series holds no level of a pyramid, only images beside it")
    for header in headers:
        if header.is_level and not all((*header.matrix, *header.tile)):
            raise _incomplete(path, "one of its levels states no size")
        if not header.complete:
            raise _incomplete(path, f"the file of its {_role(header)} ends before its pixels do")
    for parts in _by_image(levels):
        _check_image(path, parts)
    finest = max(levels, key=lambda header: header.matrix[0] * header.matrix[1])
    if finest.is_resampled:
        raise _incomplete(path, f"its full resolution is missing; the finest level, {_size(finest)}, is a reduced copy")
    for header in levels:
        if not _same_area(header.matrix, finest.matrix):
            raise _mixed(path, f"levels of {_size(finest)} and {_size(header)} do not show the same area")
    if len({header.container for header in levels if header.container}) > 1:
        raise _mixed(path, "its levels come from different glass slides")
    if any(header.optical_paths > 1 for header in levels):
        problem = f"{path} holds several optical paths (fluorescence), not one RGB picture."
        raise SlideKindError(path, problem, "Give the one in true colours.")


def _frames(path: Path, headers: Sequence[DicomHeader]) -> dict[Path, FrameTable]:
    """The tables of frames of all files, looked through before OpenSlide sees them."""
    tables = {}
    for header in headers:
        try:
            tables[header.path] = read_frame_table(header.path, header)
        except FrameLayoutError:
            continue
        except (FrameTableError, OSError) as error:
            raise _incomplete(path, f"the table of frames of its {_role(header)} is damaged") from error
    return tables


def _check_image(path: Path, parts: Sequence[DicomHeader]) -> None:
    first = parts[0]
    if first.parts > 1 and len(parts) < first.parts:
        raise _incomplete(path, f"of its {_role(first)} only {len(parts)} of {first.parts} files are there")
    frames = sum(header.frames for header in parts)
    if first.frames_of_image is not None and frames != first.frames_of_image:
        raise _incomplete(path, f"its {_role(first)} has {frames} of {first.frames_of_image} frames")


def _by_image(levels: Sequence[DicomHeader]) -> list[list[DicomHeader]]:
    """The files of each image; a file that is there twice counts once."""
    images: dict[str, dict[str, DicomHeader]] = {}
    for header in levels:
        images.setdefault(header.source, {})[header.instance] = header
    return [list(parts.values()) for parts in images.values()]


def _role(header: DicomHeader) -> str:
    return f"level of {_size(header)}" if header.is_level else "image beside the slide"


def _same_area(matrix: tuple[int, int], finest: tuple[int, int]) -> bool:
    """Whether two sizes have the same aspect, but for the rounding of the smaller one to whole pixels."""
    expected = finest[0] * matrix[1] / finest[1]
    return abs(matrix[0] - expected) <= 1 + finest[0] / finest[1]


def _mixed(path: Path, why: str) -> SlideReadError:
    return SlideReadError(path, f"{path} is not one slide: {why}.", "The files of several slides are mixed: sort them.")
