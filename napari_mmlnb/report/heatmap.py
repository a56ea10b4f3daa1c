"""`attention.ome.tif`: the rasters of a run, one pixel a tile, for any program that reads OME-TIFF.

Channels, all float32: `attention` (units of the slide's mean, 1 is average), `contribution_<class id>` for each class,
`distance` (how far a tile lies from the training tiles, 1 is usual) and `state` (the numbers of `TileState`). NaN where
there is no tile. The pixel size is the tile's size in micrometres; the position of the first pixel is the grid's
origin. When the run abstained, every channel but `distance` and `state` carries `NOT_VALID` in its name.
"""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from napari_mmlnb.errors import RequestError
from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.result import RunMaps, RunResult, TileState

NOT_VALID = " (not valid for this slide)"
_CONTRIBUTION = "contribution_"
_DISTANCE = "distance"
_NAMESPACE = uuid.UUID("0b3c5a58-7d3a-4c66-8f0e-5f3ce7c1b0d4")


@dataclass(frozen=True)
class Heatmap:
    """What `attention.ome.tif` holds.

    Parameters
    ----------
    grid : PixelGrid
        One pixel a tile.
    attention : ndarray
        (rows, columns) float32, NaN where there is no tile.
    contribution : dict of str to ndarray
        Per class id, the same.
    state : ndarray
        (rows, columns) uint8 of `TileState`.
    attention_limits : tuple of float
        The model's fixed colour scale.
    valid : bool
        False when the run abstained.
    """

    grid: PixelGrid
    attention: npt.NDArray[np.float32]
    contribution: dict[str, npt.NDArray[np.float32]]
    state: npt.NDArray[np.uint8]
    attention_limits: tuple[float, float]
    valid: bool


def write_heatmap(result: RunResult, path: Path) -> None:
    """Write the rasters of a run.

    A grid without any pixel cannot be a TIFF; it is written as one pixel in which there is no tissue.

    Parameters
    ----------
    result : RunResult
        With its `maps`.
    path : Path
        Ends in `.ome.tif`.

    Raises
    ------
    ValueError
        If the record has no rasters.
    OSError
        If the file cannot be written.
    """
    maps = result.maps
    if maps is None:
        raise ValueError("the record has no rasters")
    valid = result.decision == "predict"
    mark = "" if valid else NOT_VALID
    distance = {} if maps.distance is None else {_DISTANCE: maps.distance}
    names = ["attention" + mark, *(f"{_CONTRIBUTION}{name}{mark}" for name in maps.contribution), *distance, "state"]
    planes = [maps.attention, *maps.contribution.values(), *distance.values(), maps.state.astype(np.float32)]
    data = np.stack(planes).astype(np.float32)
    if data.size == 0:
        data = np.full((len(names), 1, 1), np.nan, dtype=np.float32)
        data[-1] = TileState.NO_TISSUE
    tifffile.imwrite(
        path, data, photometric="minisblack", compression="zlib", metadata=_ome(result, maps, names), ome=True
    )


def _ome(result: RunResult, maps: RunMaps, names: list[str]) -> dict[str, object]:
    (spacing_y, spacing_x), (origin_y, origin_x) = maps.grid.spacing_um, maps.grid.origin_um
    count = len(names)
    return {
        "axes": "CYX",
        "UUID": str(uuid.uuid5(_NAMESPACE, result.run_id)),
        "Creator": "napari-mmlnb",
        "Name": "attention" if result.decision == "predict" else "attention" + NOT_VALID,
        "PhysicalSizeX": spacing_x,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": spacing_y,
        "PhysicalSizeYUnit": "µm",
        "Channel": {"Name": names},
        "Plane": {
            "PositionX": [origin_x] * count,
            "PositionXUnit": ["µm"] * count,
            "PositionY": [origin_y] * count,
            "PositionYUnit": ["µm"] * count,
        },
        "MapAnnotation": {
            "run_id": result.run_id,
            "slide_fingerprint": result.slide.fingerprint,
            "decision": result.decision,
            "attention_low": repr(float(maps.attention_limits[0])),
            "attention_high": repr(float(maps.attention_limits[1])),
        },
    }


def read_heatmap(path: Path) -> Heatmap:
    """Read what `write_heatmap` wrote.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Heatmap
        Grid, rasters and scale.

    Raises
    ------
    RequestError
        If it is not such a file.
    """
    try:
        with tifffile.TiffFile(path) as tiff:
            data, xml = tiff.series[0].asarray(), tiff.ome_metadata or ""
        return _parse(data, ET.fromstring(xml))  # noqa: S314 - expat resolves no external entity
    except (OSError, ValueError, KeyError, IndexError, StopIteration, ET.ParseError) as error:
        raise RequestError(
            f"{path} is not an attention map of this program.", "Give the folder that classify has written."
        ) from error


def _parse(data: npt.NDArray[np.float32], root: ET.Element) -> Heatmap:
    pixels = next(root.iter(_tag(root, "Pixels")))
    plane = next(root.iter(_tag(root, "Plane")))
    # tifffile drops axes of length one.
    data = data.reshape([int(pixels.attrib[f"Size{axis}"]) for axis in "CYX"])
    names = [channel.attrib["Name"] for channel in pixels.iter(_tag(root, "Channel"))]
    notes = {entry.attrib["K"]: entry.text or "" for entry in root.iter(_tag(root, "M"))}
    planes = {name.removesuffix(NOT_VALID): values for name, values in zip(names, data, strict=True)}
    grid = PixelGrid(
        (data.shape[1], data.shape[2]),
        (float(pixels.attrib["PhysicalSizeY"]), float(pixels.attrib["PhysicalSizeX"])),
        (float(plane.attrib["PositionY"]), float(plane.attrib["PositionX"])),
    )
    return Heatmap(
        grid=grid,
        attention=planes["attention"],
        contribution={
            name.removeprefix(_CONTRIBUTION): values
            for name, values in planes.items()
            if name.startswith(_CONTRIBUTION)
        },
        state=planes["state"].astype(np.uint8),
        attention_limits=(float(notes["attention_low"]), float(notes["attention_high"])),
        valid=notes["decision"] == "predict",
    )


def _tag(root: ET.Element, name: str) -> str:
    return root.tag.removesuffix("OME") + name
