"""Whole slides as DICOM instances with known content, for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import imagecodecs
import numpy as np
import simplejpeg
from pydicom import Dataset, FileMetaDataset
from pydicom import Sequence as Items
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import JPEG2000, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, generate_uid

from tests.slides.made import RGB, area_level

WSI = "1.2.840.10008.5.1.4.1.1.77.1.6"
SYNTAX = {
    "jpeg": JPEGBaseline8Bit,
    "raw": ExplicitVRLittleEndian,
    "jpeg2000": JPEG2000Lossless,
    "jpeg2000-ict": JPEG2000,
}
PHOTOMETRIC = {"jpeg": "YBR_FULL_422", "raw": "RGB", "jpeg2000": "RGB", "jpeg2000-ict": "YBR_ICT"}


def write_dicom(
    folder: Path,
    *,
    picture: RGB | None = None,
    downsamples: Sequence[float] = (),
    mpp: tuple[float, float] = (0.5, 0.5),
    codec: str = "jpeg",
    tile: tuple[int, int] = (256, 256),
    series: str | None = None,
    prefix: str = "instance",
    icc: bytes | None = None,
    sparse: bool = False,
    leave_out: Sequence[tuple[int, int]] = (),
    parts: int = 1,
    label: bool = False,
    table: str = "basic",
    fragments: int = 1,
) -> Path:
    """Write a series of one instance a level.

    Parameters
    ----------
    folder : Path
        Where to; made if it is not there.
    picture : ndarray
        Level 0; random noise of 700 x 600 px by default.
    downsamples : sequence of float
        Of the further levels, nominal; their sizes are rounded to whole pixels.
    mpp : (x, y)
        Of level 0.
    codec : str
        A key of `SYNTAX`.
    tile : tuple of int
        Rows and columns of a frame.
    series : str
        Its SeriesInstanceUID; a new one by default.
    prefix : str
        What file names begin with.
    icc : bytes
        Colour profile of the optical path.
    sparse : bool
        TILED_SPARSE, each frame with its place, instead of TILED_FULL.
    leave_out : sequence of (row, column)
        Frames of level 0 that are not stored; needs `sparse`.
    parts : int
        Into how many instances level 0 is cut (a concatenation).
    label : bool
        Write a label too.
    table : str
        Where compressed frames are listed: "basic", "extended" or "none".
    fragments : int
        In how many items a compressed frame is stored.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if picture is None:
        picture = np.random.default_rng(0).integers(0, 256, (600, 700, 3), dtype=np.uint8)
    height, width = picture.shape[:2]
    series = series or generate_uid()
    number = 0
    for factor in (1.0, *downsamples):
        level = picture if factor == 1 else area_level(picture, round(height / factor), round(width / factor))
        spacing = (mpp[1] * height / level.shape[0], mpp[0] * width / level.shape[1])
        places, frames = _frames(level, tile, codec, leave_out if factor == 1 else ())
        pieces = np.array_split(np.arange(len(frames)), parts if factor == 1 else 1)
        source, concatenation = generate_uid(), generate_uid()
        for part, piece in enumerate(pieces):
            number += 1
            data = _instance(level.shape[:2], tile, spacing, codec, series, number)
            data.ImageType = ["ORIGINAL" if factor == 1 else "DERIVED", "PRIMARY", "VOLUME"]
            data.ImageType += ["NONE" if factor == 1 else "RESAMPLED"]
            if len(pieces) > 1:
                data.ConcatenationUID = concatenation
                data.SOPInstanceUIDOfConcatenationSource = source
                data.InConcatenationNumber = part + 1
                data.InConcatenationTotalNumber = len(pieces)
                data.ConcatenationFrameOffsetNumber = int(piece[0])
            if sparse:
                _place(data, [places[i] for i in piece])
            if icc is not None:
                data.OpticalPathSequence[0].ICCProfile = icc
            path = folder / f"{prefix}-{number}.dcm"
            _store(data, [frames[i] for i in piece], codec, path, table, fragments)
    if label:
        number += 1
        data = _instance((60, 80), (60, 80), (0.1, 0.1), "jpeg", series, number)
        data.ImageType = ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]
        frame = _encoded(np.full((60, 80, 3), 200, np.uint8), "jpeg")
        _store(data, [frame], "jpeg", folder / f"{prefix}-{number}.dcm")
    return folder


def write_other(path: Path, *, modality: str = "CT", series: str | None = None) -> Path:
    """Write a DICOM file that is no whole slide: its header only."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.SeriesInstanceUID = series or generate_uid()
    data.Modality = modality
    data.save_as(path, enforce_file_format=True)
    return path


def _frames(level: RGB, tile: tuple[int, int], codec: str, leave_out: Sequence[tuple[int, int]]):
    rows, columns = (-(-extent // side) for extent, side in zip(level.shape, tile, strict=False))
    padding = ((0, rows * tile[0] - level.shape[0]), (0, columns * tile[1] - level.shape[1]), (0, 0))
    padded = np.pad(level, padding, mode="edge")
    places = [(r, c) for r in range(rows) for c in range(columns) if (r, c) not in leave_out]
    h, w = tile
    return places, [_encoded(padded[r * h : (r + 1) * h, c * w : (c + 1) * w], codec) for r, c in places]


def _encoded(pixels: RGB, codec: str) -> bytes:
    pixels = np.ascontiguousarray(pixels)
    if codec == "jpeg":
        return simplejpeg.encode_jpeg(pixels, quality=92, colorspace="RGB", colorsubsampling="422")
    if codec == "jpeg2000":
        return imagecodecs.jpeg2k_encode(pixels, codecformat="J2K", reversible=True, mct=False)
    if codec == "jpeg2000-ict":
        return imagecodecs.jpeg2k_encode(pixels, codecformat="J2K", level=90, mct=True)
    return pixels.tobytes()


def _instance(
    shape: tuple[int, int], tile: tuple[int, int], spacing_um: tuple[float, float], codec: str, series: str, number: int
) -> Dataset:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = SYNTAX[codec]
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = WSI
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.Modality = "SM"
    data.PatientName = "Doe^Jane"
    data.SeriesInstanceUID, data.InstanceNumber = series, number
    data.ContainerIdentifier = f"container of {series[-6:]}"
    data.Rows, data.Columns = tile
    data.TotalPixelMatrixRows, data.TotalPixelMatrixColumns = shape
    data.TotalPixelMatrixFocalPlanes = data.NumberOfOpticalPaths = 1
    data.SamplesPerPixel, data.PlanarConfiguration = 3, 0
    data.PhotometricInterpretation = PHOTOMETRIC[codec]
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.DimensionOrganizationType = "TILED_FULL"
    measures = Dataset()
    measures.PixelSpacing = [f"{side / 1000:.10g}" for side in spacing_um]
    groups = Dataset()
    groups.PixelMeasuresSequence = Items([measures])
    data.SharedFunctionalGroupsSequence = Items([groups])
    data.OpticalPathSequence = Items([Dataset()])
    return data


def _place(data: Dataset, places: Sequence[tuple[int, int]]) -> None:
    data.DimensionOrganizationType = "TILED_SPARSE"
    items = []
    for row, column in places:
        position = Dataset()
        position.ColumnPositionInTotalImagePixelMatrix = 1 + column * data.Columns
        position.RowPositionInTotalImagePixelMatrix = 1 + row * data.Rows
        item = Dataset()
        item.PlanePositionSlideSequence = Items([position])
        items.append(item)
    data.PerFrameFunctionalGroupsSequence = Items(items)


def _store(
    data: Dataset, frames: list[bytes], codec: str, path: Path, table: str = "basic", fragments: int = 1
) -> None:
    data.NumberOfFrames = len(frames)
    if codec == "raw":
        data.PixelData = b"".join(frames)
        data["PixelData"].VR = "OB"
    else:
        if table == "extended":
            data.PixelData, data.ExtendedOffsetTable, data.ExtendedOffsetTableLengths = encapsulate_extended(frames)
        else:
            data.PixelData = encapsulate(frames, fragments_per_frame=fragments, has_bot=table == "basic")
        data["PixelData"].VR = "OB"
        data["PixelData"].is_undefined_length = True
    data.save_as(path, enforce_file_format=True)
