"""What the header of one DICOM file says, and whether the file is all there. No pixel is read.

Only the elements before the per-frame groups are parsed, since those can be hundreds of megabytes; what follows is
checked at its end alone. Nothing that could name a person is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_PREAMBLE = 128
_MAGIC = b"DICM"
_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_DIRECTORY = "1.2.840.10008.1.3.10"
_PER_FRAME_GROUPS = 0x52009230

_END_OF_FRAMES = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
_LONGEST_TRAILER = 2**20

_WANTED = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality", "ImageType", "ContainerIdentifier",
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "PhotometricInterpretation",
    "TotalPixelMatrixRows", "TotalPixelMatrixColumns", "TotalPixelMatrixFocalPlanes", "NumberOfOpticalPaths",
    "DimensionOrganizationType", "SOPInstanceUIDOfConcatenationSource", "InConcatenationTotalNumber",
)  # fmt: skip

_NEEDED = ("SOPInstanceUID", "SeriesInstanceUID", "ImageType", "Rows", "Columns", "TotalPixelMatrixRows")


class DicomHeaderError(Exception):
    """A file that begins like DICOM, but whose header is damaged or cut short."""


@dataclass(frozen=True)
class DicomHeader:
    """One DICOM file.

    Parameters
    ----------
    path : Path
        The file. Its name may be a patient's: it is neither logged nor shown.
    sop_class, series, instance : str
        UIDs of the kind of thing that it is, of the series that it belongs to, and of itself.
    modality : str
        For example "SM" (slide microscopy).
    kind : tuple of str
        The four values of ImageType; the third is VOLUME for a level, LABEL, OVERVIEW or THUMBNAIL.
    source : str
        UID of the image that the file is, or is a part of.
    container : str
        The glass's own name, only to be compared; empty where not stated.
    matrix, tile : tuple of int
        Rows and columns of the whole image and of a frame.
    frames : int
        How many the file holds.
    parts : int
        Into how many files the image is cut; 1 for none, 0 where the file is a part and does not say of how many.
    frames_of_image : int or None
        How many frames the parts must hold together; None where frames may be left out.
    optical_paths : int
        More than one for fluorescence.
    complete : bool
        Whether the file ends where its pixels do, not before.
    syntax, photometric : str
        UID of the transfer syntax (how frames are compressed), and what their samples mean.
    samples : tuple of int
        Samples a pixel, and bits a sample.
    end : int
        Byte where what was read of the file ends.
    """

    path: Path
    sop_class: str
    series: str
    instance: str
    modality: str
    kind: tuple[str, ...]
    source: str
    container: str
    matrix: tuple[int, int]
    tile: tuple[int, int]
    frames: int
    parts: int
    frames_of_image: int | None
    optical_paths: int
    complete: bool
    syntax: str
    photometric: str
    samples: tuple[int, int]
    end: int

    @property
    def is_whole_slide(self) -> bool:
        """Whether it is a part of a whole slide."""
        return self.sop_class == _WHOLE_SLIDE

    @property
    def is_directory(self) -> bool:
        """Whether it only lists other files (DICOMDIR)."""
        return self.sop_class == _DIRECTORY

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame that is not compressed."""
        return self.tile[0] * self.tile[1] * self.samples[0] * (self.samples[1] // 8)

    @property
    def is_level(self) -> bool:
        """Whether it is a level of the pyramid, or a part of one."""
        return self.kind[2:3] == ("VOLUME",)

    @property
    def is_resampled(self) -> bool:
        """Whether it was computed from a finer image."""
        return self.kind[3:4] == ("RESAMPLED",)


def begins_like_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do. Never raises."""
    try:
        with path.open("rb") as file:
            return file.read(_PREAMBLE + len(_MAGIC))[_PREAMBLE:] == _MAGIC
    except OSError:
        return False


def read_header(path: Path) -> DicomHeader:
    """The header of a DICOM file.

    Raises
    ------
    DicomHeaderError
        If it cannot be read, or ends before its pixels.
    """
    from pydicom.datadict import tag_for_keyword  # noqa: PLC0415 (half a second, for those who have DICOM)
    from pydicom.filereader import read_partial  # noqa: PLC0415

    tags = [tag for tag in map(tag_for_keyword, _WANTED) if tag is not None]
    try:
        with path.open("rb") as file:
            data = read_partial(file, _at_the_frames, specific_tags=tags)
            end = file.tell()
            return _header(path, data, end, _is_complete(file, data))
    except Exception as error:  # whatever a damaged header trips in pydicom; its text may quote the file
        raise DicomHeaderError from error


def _at_the_frames(tag: int, vr: str | None, length: int) -> bool:  # noqa: ARG001 (pydicom's signature)
    return tag >= _PER_FRAME_GROUPS


def _header(path: Path, data: Any, end: int, complete: bool) -> DicomHeader:
    sop_class = str(data.file_meta.MediaStorageSOPClassUID)
    if sop_class == _WHOLE_SLIDE and any(keyword not in data for keyword in _NEEDED):
        raise DicomHeaderError("the header is cut short")
    kind = tuple(str(value) for value in _values(data, "ImageType"))
    matrix = (_number(data, "TotalPixelMatrixRows"), _number(data, "TotalPixelMatrixColumns"))
    tile = (_number(data, "Rows"), _number(data, "Columns"))
    paths = _number(data, "NumberOfOpticalPaths", 1)
    planes = _number(data, "TotalPixelMatrixFocalPlanes", 1)
    grid = math.prod(-(-whole // side) for whole, side in zip(matrix, tile, strict=True)) if all(tile) else 0
    full = str(data.get("DimensionOrganizationType", "")) == "TILED_FULL"
    source = str(data.get("SOPInstanceUIDOfConcatenationSource", ""))
    instance = str(data.get("SOPInstanceUID", ""))
    return DicomHeader(
        path=path,
        sop_class=sop_class,
        series=str(data.get("SeriesInstanceUID", "")),
        instance=instance,
        modality=str(data.get("Modality", "")) or "unknown modality",
        kind=kind,
        source=source or instance,
        container=str(data.get("ContainerIdentifier", "")),
        matrix=matrix,
        tile=tile,
        frames=_number(data, "NumberOfFrames", 1),
        parts=_number(data, "InConcatenationTotalNumber") if source else 1,
        frames_of_image=grid * max(planes, 1) * max(paths, 1) if full else None,
        optical_paths=paths,
        complete=complete,
        syntax=str(data.file_meta.TransferSyntaxUID),
        photometric=str(data.get("PhotometricInterpretation", "")),
        samples=(_number(data, "SamplesPerPixel", 1), _number(data, "BitsAllocated", 8)),
        end=end,
    )


def _values(data: Any, keyword: str) -> tuple[Any, ...]:
    value = data.get(keyword)
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _number(data: Any, keyword: str, default: int = 0) -> int:
    value = data.get(keyword)
    return default if value in (None, "") else int(value)


def _is_complete(file: BinaryIO, data: Any) -> bool:
    """Whether a file with pixels ends after them. Compressed frames end with a mark, others by their size."""
    if "Rows" not in data:
        return True
    start = file.tell()
    size = file.seek(0, 2)
    if data.file_meta.TransferSyntaxUID.is_encapsulated:
        file.seek(max(start, size - _LONGEST_TRAILER))
        return _END_OF_FRAMES in file.read()
    samples = _number(data, "SamplesPerPixel", 1) * (_number(data, "BitsAllocated", 8) // 8)
    expected = _number(data, "NumberOfFrames", 1) * _number(data, "Rows") * _number(data, "Columns") * samples
    return size - start >= expected
