"""Regions of interest: polygons from GeoJSON, as QuPath writes them, on a slide.

QuPath counts level-0 pixels from the corner of what was scanned, not from that of the canvas, where a format knows the
difference (MRXS and others). So do files that come in here, unless they say from where they count: a member ``run``
with ``origin_px``, [x, y] on the canvas, as `napari_mmlnb.report.geojson` writes it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_mmlnb.errors import RequestError
from napari_mmlnb.geometry import Float64, PixelGrid

_REMEDY = "Export polygons from QuPath as GeoJSON, in pixels of the full resolution."


@dataclass(frozen=True)
class Polygon:
    """An outline with its holes.

    Parameters
    ----------
    rings : tuple of ndarray
        (n, 2) each, (y, x), micrometres; a point is inside if it lies in an odd number of rings.
    """

    rings: tuple[Float64, ...]


@dataclass(frozen=True)
class Roi:
    """The part of a slide that a person chose: the union of polygons.

    Parameters
    ----------
    polygons : tuple of Polygon
        At least one.
    """

    polygons: tuple[Polygon, ...]

    def rasterise(self, grid: PixelGrid) -> npt.NDArray[np.bool_]:
        """The pixels of `grid` whose centres lie inside, (h, w) bool."""
        mask = np.zeros(grid.shape, dtype=np.bool_)
        for polygon in self.polygons:
            mask |= _inside(polygon, grid)
        return mask


def read_roi(path: Path, scanned: PixelGrid) -> Roi:
    """Read polygons from a GeoJSON file.

    Parameters
    ----------
    path : Path
        A geometry, a Feature, a FeatureCollection or a list of Features; Polygon and MultiPolygon, coordinates (x, y)
        in level-0 pixels, (0, 0) being the corner of what was scanned.
    scanned : PixelGrid
        Those pixels, on the slide's canvas: `Slide.scanned_grid`.

    Returns
    -------
    Roi
        In micrometres from the canvas's origin.

    Raises
    ------
    RequestError
        If the file cannot be read, is no GeoJSON, or holds anything but polygons.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(f"The region file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The region file {path} is not valid JSON.", _REMEDY) from error
    pixels = _counted_from(content, scanned, path)
    polygons = tuple(Polygon(tuple(_ring(ring, pixels, path) for ring in rings)) for rings in _polygons(content, path))
    if not polygons:
        raise RequestError(f"The region file {path} holds no polygon.", _REMEDY)
    return Roi(polygons)


def _counted_from(content: Any, scanned: PixelGrid, path: Path) -> PixelGrid:
    """The pixels in which the file counts: those that it names itself, else those of what was scanned."""
    run = content.get("run") if isinstance(content, dict) else None
    origin = run.get("origin_px") if isinstance(run, dict) else None
    if origin is None:
        return scanned
    try:
        x, y = (float(value) for value in origin)
        sy, sx = scanned.spacing_um
        return PixelGrid(scanned.shape, scanned.spacing_um, (y * sy, x * sx))
    except (TypeError, ValueError) as error:
        raise RequestError(f"The region file {path} has a malformed origin_px: it must be [x, y].", _REMEDY) from error


def _polygons(node: Any, path: Path) -> Iterator[list[Any]]:
    """The coordinates of every polygon, each a list of rings."""
    if isinstance(node, list):
        for item in node:
            yield from _polygons(item, path)
        return
    kind = node.get("type") if isinstance(node, dict) else None
    if kind == "FeatureCollection":
        yield from _polygons(_list(node, "features", path), path)
    elif kind == "Feature":
        yield from _polygons(node.get("geometry"), path)
    elif kind == "GeometryCollection":
        yield from _polygons(_list(node, "geometries", path), path)
    elif kind == "Polygon":
        yield _list(node, "coordinates", path)
    elif kind == "MultiPolygon":
        yield from _list(node, "coordinates", path)
    else:
        raise RequestError(f"The region file {path} holds {kind or 'something'} where a polygon belongs.", _REMEDY)


def _list(node: dict[str, Any], key: str, path: Path) -> list[Any]:
    value = node.get(key)
    if not isinstance(value, list) or not value:
        raise RequestError(f"The region file {path} has a {node['type']} without {key}.", _REMEDY)
    return value


def _ring(points: Any, pixels: PixelGrid, path: Path) -> Float64:
    try:
        ring = pixels.to_um([(point[1], point[0]) for point in points])
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise RequestError(f"The region file {path} has a polygon with malformed coordinates.", _REMEDY) from error
    if len(ring) < 3 or not np.isfinite(ring).all():
        raise RequestError(f"The region file {path} has a polygon with fewer than three points.", _REMEDY)
    return ring


def _inside(polygon: Polygon, grid: PixelGrid) -> npt.NDArray[np.bool_]:
    """Even-odd rule at pixel centres: each edge flips what lies to the right of it, row by row."""
    flips = np.zeros((grid.shape[0], grid.shape[1] + 1), dtype=np.uint8)
    for ring in polygon.rings:
        points = grid.to_pixels(ring) - 0.5
        for (y0, x0), (y1, x1) in zip(points, np.roll(points, -1, axis=0), strict=True):
            low, high = sorted((y0, y1))
            rows = np.arange(max(0, math.ceil(low)), min(grid.shape[0], math.ceil(high)))
            if not len(rows):
                continue
            crossings = x0 + (rows - y0) * (x1 - x0) / (y1 - y0)
            columns = np.clip(np.ceil(crossings), 0, grid.shape[1]).astype(np.intp)
            flips[rows, columns] ^= 1
    return np.bitwise_xor.accumulate(flips, axis=1)[:, :-1].astype(np.bool_)
