"""`regions.geojson`: the evidence tiles and the tissue outline, as QuPath imports them.

Coordinates are level-0 pixels, (x, y), from the corner of what was scanned, as QuPath counts them: where the canvas has
a margin that was never scanned (MRXS and others: `slide.bounds_px`), QuPath leaves it out. ``run`` says where that
corner lies on the canvas (``origin_px``, [x, y]) and what was scanned (``bounds_px``, [y, x, height, width]).

Every feature has `properties.objectType` "annotation" (QuPath 0.3 and newer), a `name`, `measurements` as an object of
numbers (0.4 and newer) and, where a class may be named, a `classification` with its colour. An evidence tile bears the
class to whose logit it contributed most. When the run abstained no feature has a classification and no class is named
anywhere in the file: the tiles are marked as not valid evidence.

Neither path nor file name of the slide is written: what leaves the program carries the fingerprint.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_mmlnb.geometry import PixelGrid, Region
from napari_mmlnb.report.outline import Polygon, mask_polygons
from napari_mmlnb.report.sharing import shareable
from napari_mmlnb.result import RESEARCH_USE, Evidence, RunMaps, RunResult

_TISSUE_RGB = [20, 60, 120]
_ABSTAINED_RGB = [120, 120, 120]
_DECIMALS = 3
_NAMESPACE = uuid.UUID("6d7f5f0e-2f0a-4d0b-9a52-6b0f0d6a7c11")


def region_features(result: RunResult) -> dict[str, Any]:
    """The feature collection of a run.

    Parameters
    ----------
    result : RunResult
        Its `maps`, where present, add the tissue outline.

    Returns
    -------
    dict
        A GeoJSON `FeatureCollection` (RFC 7946 but for its coordinates, which are pixels, not degrees).
    """
    record = shareable(result)
    pixels = record.slide.scanned_grid
    features = [_tile_feature(record, evidence, pixels) for evidence in record.evidence]
    if result.maps is not None and result.maps.tissue.any():
        features.append(_tissue_feature(record, result.maps, pixels))
    bounds = record.slide.bounds_px
    return {
        "type": "FeatureCollection",
        "features": features,
        "run": {
            "run_id": record.run_id,
            "decision": record.decision,
            "slide_fingerprint": record.slide.fingerprint,
            "mpp": list(record.slide.mpp),
            "origin_px": [bounds[1], bounds[0]] if bounds is not None else [0, 0],
            "bounds_px": list(bounds) if bounds is not None else None,
            "model": f"{record.model.name} {record.model.version}",
            "notice": " ".join(filter(None, (RESEARCH_USE, record.model.notice))),
        },
    }


def geojson_text(result: RunResult) -> str:
    """The text of `regions.geojson`."""
    return json.dumps(region_features(result), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _feature(run_id: str, key: str, geometry: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    # QuPath takes a UUID as the identity of an object: the same run gives the same, so a second import can be told.
    identity = str(uuid.uuid5(_NAMESPACE, f"{run_id}/{key}"))
    return {
        "type": "Feature",
        "id": identity,
        "geometry": geometry,
        "properties": {"objectType": "annotation", **properties},
    }


def _tile_feature(record: RunResult, evidence: Evidence, pixels: PixelGrid) -> dict[str, Any]:
    abstained = record.decision == "abstain"
    measured = {f"{m.name} ({m.unit})" if m.unit else m.name: m.value for m in evidence.measurements}
    attention = {} if abstained else {"Attention (slide mean = 1)": evidence.attention}
    contribution = {
        f"Contribution to {_one_line(record.class_record(class_id).label)}": value
        for class_id, value in evidence.contribution.items()
    }
    properties: dict[str, Any] = {
        "name": f"Tile {evidence.rank} (abstained: not evidence)" if abstained else f"Evidence {evidence.rank}",
        "measurements": {**attention, **contribution, **measured},
        "metadata": {"sentences": " ".join(evidence.sentences), "slide_fingerprint": record.slide.fingerprint},
    }
    if abstained:
        properties["color"] = _ABSTAINED_RGB
    else:
        properties["classification"] = _classification(record, evidence)
    return _feature(record.run_id, f"tile/{evidence.rank}", _polygon([_box(evidence.region, pixels)]), properties)


def _classification(record: RunResult, evidence: Evidence) -> dict[str, Any]:
    shares = evidence.contribution
    class_id = max(shares, key=lambda name: shares[name]) if shares else record.prediction or record.classes[0].id
    found = record.class_record(class_id)
    colour = [int(found.colour[i : i + 2], 16) for i in (1, 3, 5)]
    return {"name": _one_line(found.label), "color": colour}


def _tissue_feature(record: RunResult, maps: RunMaps, pixels: PixelGrid) -> dict[str, Any]:
    polygons = [_rings(polygon, pixels) for polygon in mask_polygons(maps.tissue, maps.tissue_grid)]
    geometry = _polygon(polygons[0]) if len(polygons) == 1 else {"type": "MultiPolygon", "coordinates": polygons}
    properties = {
        "name": "Tissue",
        "color": _TISSUE_RGB,
        "isLocked": True,
        "measurements": {"Tissue area (mm^2)": record.coverage.tissue_mm2},
    }
    return _feature(record.run_id, "tissue", geometry, properties)


def _polygon(rings: list[list[list[float]]]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": rings}


def _rings(polygon: Polygon, pixels: PixelGrid) -> list[list[list[float]]]:
    return [_points(ring, pixels) for ring in (polygon.exterior, *polygon.holes)]


def _box(region: Region, pixels: PixelGrid) -> list[list[float]]:
    corners = region.corners
    return _points(np.concatenate([corners, corners[:1]]), pixels)


def _points(ring_um: npt.NDArray[np.float64], pixels: PixelGrid) -> list[list[float]]:
    """(y, x) micrometres to (x, y) level-0 pixels; a thousandth of a pixel is far below any slide's truth."""
    rounded = np.round(pixels.to_pixels(ring_um)[:, ::-1], _DECIMALS) + 0.0
    points: list[list[float]] = rounded.tolist()
    return points


def _one_line(text: str) -> str:
    return " ".join(text.split())
