"""Small slides laid out as scanners of three makers do, as far as OpenSlide looks: NDPI, SCN and BIF."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from tests.slides.made import RGB

_SCN = """<?xml version="1.0"?>
<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01" uuid="urn:uuid:0">
<collection name="c" uuid="urn:uuid:1" sizeX="{cx}" sizeY="{cy}"><barcode>MA==</barcode>
<image name="image_0" uuid="urn:uuid:2"><creationDate>2020</creationDate><device model="Leica SCN400" version="1"/>
<pixels sizeX="{w}" sizeY="{h}">{dims}</pixels>
<view sizeX="{vx}" sizeY="{vy}" offsetX="0" offsetY="0" spacingZ="0"/>
<scanSettings><objectiveSettings><objective>20</objective></objectiveSettings>
<illuminationSettings><numericalAperture>0.7</numericalAperture><illuminationSource>brightfield</illuminationSource>
</illuminationSettings></scanSettings></image></collection></scn>"""


def write_ndpi(path: Path, levels: Sequence[RGB], mpp: tuple[float, float]) -> Path:
    """Each level is one JPEG with restart markers, in a page with Hamamatsu's own tags; sides are multiples of 32.

    The layout is that of a TIFF but for pointers to directories, which have 8 bytes, and the upper halves of all
    offsets, which stand after the directory.
    """
    data = bytearray(b"II*\0" + bytes(8))
    pointer = 4
    for level in levels:
        stream = io.BytesIO()
        Image.fromarray(level).save(stream, "JPEG", quality=90, subsampling=0, restart_marker_blocks=4)
        scale = levels[0].shape[1] / level.shape[1]
        start = _append(data, stream.getvalue())
        rates = [_append(data, struct.pack("<II", round(1e6 / (side * scale)), 100)) for side in mpp]
        height, width = level.shape[:2]
        entries = [
            (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, _append(data, struct.pack("<3H", 8, 8, 8))),
            (259, 3, 1, 7), (262, 3, 1, 6), (271, 2, 10, _append(data, b"Hamamatsu\0")), (273, 4, 1, start),
            (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 1, len(stream.getvalue())), (282, 5, 1, rates[0]),
            (283, 5, 1, rates[1]), (284, 3, 1, 1), (296, 3, 1, 3), (65420, 4, 1, 1),
            (65421, 11, 1, int.from_bytes(struct.pack("<f", 20.0 / scale), "little")), (65422, 9, 1, 0),
            (65423, 9, 1, 0), (65424, 9, 1, 0),
        ]  # fmt: skip
        packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
        directory = _append(data, struct.pack("<H", len(entries)) + packed + bytes(8) + bytes(4 * len(entries)))
        data[pointer : pointer + 8] = struct.pack("<Q", directory)
        pointer = directory + 2 + len(packed)
    path.write_bytes(data)
    return path


def _append(data: bytearray, more: bytes) -> int:
    """Where it begins: at an even place."""
    data.extend(bytes(len(data) % 2))
    start = len(data)
    data.extend(more)
    return start


def write_scn(path: Path, levels: Sequence[RGB], mpp: tuple[float, float], tile: int) -> Path:
    """Tiled pages, explained by Leica's XML in the first one's description."""
    height, width = levels[0].shape[:2]
    view = {"vx": round(width * mpp[0] * 1000), "vy": round(height * mpp[1] * 1000)}
    dims = "".join(
        f'<dimension sizeX="{level.shape[1]}" sizeY="{level.shape[0]}" r="{r}" ifd="{r}"/>'
        for r, level in enumerate(levels)
    )
    text = _SCN.format(cx=2 * view["vx"], cy=2 * view["vy"], w=width, h=height, dims=dims, **view)
    with tifffile.TiffWriter(path) as tif:
        for index, level in enumerate(levels):
            tif.write(
                level, tile=(tile, tile), photometric="rgb", compression="jpeg", metadata=None,
                description=text if index == 0 else None, resolutionunit="CENTIMETER",
                resolution=(1e4 / mpp[0] * level.shape[1] / width, 1e4 / mpp[1] * level.shape[0] / height),
            )  # fmt: skip
    return path


def write_bif(path: Path, levels: Sequence[RGB], mpp: tuple[float, float], tile: int) -> Path:
    """Tiled pages with Roche's iScan XML; the sides of level 0 are multiples of the tile's."""
    height, width = levels[0].shape[:2]
    rows, columns = -(-height // tile), -(-width // tile)
    joints = "".join(_joints(rows, columns))
    scan = f'<iScan Magnification="20" ScanRes="{mpp[0]}" ScanWhitePoint="235"/>'
    first = f"<Metadata>{scan}</Metadata>"
    level0 = (
        '<EncodeInfo Ver="2"><SlideInfo/><SlideStitchInfo>'
        f'<ImageInfo AOIScanned="1" AOIIndex="0" Width="{tile}" Height="{tile}" NumRows="{rows}" NumCols="{columns}"'
        f' Pos-X="0" Pos-Y="0">{joints}</ImageInfo></SlideStitchInfo>'
        '<AoiOrigin><AOI0 OriginX="0" OriginY="0"/></AoiOrigin></EncodeInfo>'
    )
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        options = {"photometric": "rgb", "metadata": None}
        label = np.full((40, 60, 3), 200, np.uint8)
        tif.write(label, description="Label_Image", extratags=[_xmp(first)], **options)  # type: ignore[arg-type]
        for index, level in enumerate(levels):
            tags = [_xmp(level0)] if index == 0 else []
            said = f"level={index} mag={20 / 2**index:g} quality=90"
            tif.write(
                level, tile=(tile, tile), compression="jpeg", description=said, extratags=tags, **options  # type: ignore[arg-type]
            )  # fmt: skip
    return path


def _xmp(text: str) -> tuple[int, int, int, bytes, bool]:
    return (700, 1, len(text), text.encode(), True)


def _joints(rows: int, columns: int) -> Iterator[str]:
    """That each tile follows its neighbour without overlap; tiles are numbered in a serpentine from below."""
    number = {}
    for row in range(rows):
        for column in range(columns):
            along = column if row % 2 == 0 else columns - 1 - column
            number[row, column] = row * columns + along + 1
    for (row, column), tile in sorted(number.items()):
        for direction, other in (("RIGHT", (row, column + 1)), ("UP", (row + 1, column))):
            if other in number:
                yield (
                    f'<TileJointInfo FlagJoined="1" Confidence="100" Direction="{direction}" Tile1="{tile}"'
                    f' Tile2="{number[other]}" OverlapX="0" OverlapY="0"/>'
                )
