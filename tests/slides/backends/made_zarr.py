"""Small OME-Zarr slides with known content, written document by document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from tests.slides.made import RGB, area_level


def write_ome_zarr(
    path: Path,
    picture: RGB,
    *,
    downsamples: Sequence[float] = (),
    version: str = "0.4",
    axes: str = "cyx",
    chunk: tuple[int, int] = (256, 256),
    chunk_c: int = 1,
    shards: tuple[int, int] | None = None,
    mpp: tuple[float, float] = (0.5, 0.5),
    unit: str | None = "micrometer",
    whole_scale: float = 1.0,
    omero: Mapping[str, Any] | None = None,
    group: str = "",
    **options: Any,
) -> Path:
    """Write an OME-Zarr.

    Parameters
    ----------
    path : Path
        The folder.
    picture : ndarray
        Level 0, (h, w, 3) uint8.
    downsamples : sequence of float
        Of the further levels; their sizes are rounded to whole pixels, and their scales say the true ratio.
    version : str
        "0.4" (zarr 2) or "0.5" (zarr 3).
    axes : str
        Order of the axes; t and z have one entry.
    chunk : (rows, columns)
        Of a chunk.
    chunk_c : int
        Channels in a chunk.
    shards : (rows, columns), optional
        Of a shard (0.5 only).
    mpp : (x, y)
        As the transformations of the levels and of the whole pyramid together say it, in `unit`.
    unit : str, optional
        Of both axes.
    whole_scale : float
        What of it stands in the transformation of the whole pyramid.
    omero : mapping, optional
        The rendering settings.
    group : str
        Below the root.
    **options
        For `zarr.create_array`.
    """
    zarr_format = 2 if version == "0.4" else 3
    root = zarr.open_group(path, mode="a", zarr_format=zarr_format, path=group)
    datasets = []
    for index, factor in enumerate((1.0, *downsamples)):
        height, width = (round(n / factor) for n in picture.shape[:2])
        level = picture if index == 0 else area_level(picture, height, width)
        _write_level(root, str(index), level, axes, chunk, chunk_c, shards, options)
        ratio = {"x": picture.shape[1] / width * mpp[0], "y": picture.shape[0] / height * mpp[1]}
        scale = [ratio.get(axis, 1.0) / (whole_scale if axis in "yx" else 1.0) for axis in axes]
        datasets.append({"path": str(index), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    whole = [whole_scale if axis in "yx" else 1.0 for axis in axes]
    multiscale: dict[str, Any] = {
        "name": "Jane Doe",
        "axes": [_axis(axis, unit) for axis in axes],
        "datasets": datasets,
        "coordinateTransformations": [{"type": "scale", "scale": whole}],
    }
    documents: dict[str, Any] = {"multiscales": [multiscale]}
    if omero is not None:
        documents["omero"] = dict(omero)
    if version == "0.5":
        root.attrs.update({"ome": {"version": version, **documents}})
    else:
        multiscale["version"] = version
        root.attrs.update(documents)
    return path


def _write_level(root, name, level, axes, chunk, chunk_c, shards, options) -> None:
    lengths = {"y": level.shape[0], "x": level.shape[1], "c": 3, "t": 1, "z": 1}
    chunks = {"y": chunk[0], "x": chunk[1], "c": chunk_c, "t": 1, "z": 1}
    if shards is not None:
        options = {**options, "shards": tuple({**chunks, "y": shards[0], "x": shards[1]}[a] for a in axes)}
    if root.metadata.zarr_format == 2:
        options = {"chunk_key_encoding": {"name": "v2", "separator": "/"}, **options}
    array = root.create_array(
        name, shape=tuple(lengths[a] for a in axes), chunks=tuple(chunks[a] for a in axes), dtype="uint8", **options
    )
    kept = [axis for axis in axes if axis in "yxc"]
    array[tuple(0 if axis in "tz" else slice(None) for axis in axes)] = np.transpose(
        level, ["yxc".index(axis) for axis in kept]
    )


def _axis(name: str, unit: str | None) -> dict[str, str]:
    kind = {"c": "channel", "t": "time"}.get(name, "space")
    return {"name": name, "type": kind} | ({"unit": unit} if unit and name in "yx" else {})
