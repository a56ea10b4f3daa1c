"""The exact outline of a mask, as polygons with holes that run along the edges of its pixels.

Contour finders of image libraries join pixel *centres*, which shrinks every shape by half a pixel and loses shapes one
pixel wide. Here the rings follow the cracks between pixels, so that their area equals the area of the mask to the last
pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_mmlnb.geometry import PixelGrid

Float64 = npt.NDArray[np.float64]
_Vertex = tuple[int, int]


@dataclass(frozen=True)
class Polygon:
    """An area with holes, in micrometres.

    Parameters
    ----------
    exterior : ndarray
        (n, 2), (y, x), closed: the last point repeats the first. Counter-clockwise in a frame whose y points up, as
        RFC 7946 wants it of the numbers (x, y).
    holes : tuple of ndarray
        The same, clockwise.
    """

    exterior: Float64
    holes: tuple[Float64, ...] = ()


def signed_area(ring: Float64) -> float:
    """Area of a closed (n, 2) (y, x) ring; above zero where it runs counter-clockwise in (x, y) with y up."""
    y, x = ring[:, 0], ring[:, 1]
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


def mask_polygons(mask: npt.NDArray[np.bool_], grid: PixelGrid) -> tuple[Polygon, ...]:
    """Outline a mask.

    Pixels that touch only at a corner belong to different polygons, so that every ring is simple.

    Parameters
    ----------
    mask : ndarray
        (h, w) bool.
    grid : PixelGrid
        Where it lies.

    Returns
    -------
    tuple of Polygon
        One for each 4-connected part, largest first. Empty for an empty mask.

    Raises
    ------
    ValueError
        If mask and grid differ in shape.
    """
    if mask.shape != grid.shape:
        raise ValueError(f"a mask of {mask.shape} does not lie on a grid of {grid.shape}")
    rings = [np.array(ring, dtype=np.float64) for ring in _simple_rings(_cracks(mask))]
    exteriors = [ring for ring in rings if signed_area(ring) > 0]
    holes: dict[int, list[Float64]] = {index: [] for index in range(len(exteriors))}
    if len(exteriors) < len(rings):
        parts = _parts(mask)
        owner = {int(parts[_inside(ring)]): index for index, ring in enumerate(exteriors)}
        for ring in rings:
            if signed_area(ring) < 0:
                holes[owner[int(parts[_inside(ring)])]].append(ring)
    polygons = [
        Polygon(grid.to_um(exterior), tuple(grid.to_um(hole) for hole in holes[index]))
        for index, exterior in enumerate(exteriors)
    ]
    return tuple(sorted(polygons, key=lambda polygon: -signed_area(polygon.exterior)))


def _parts(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    labels, _ = ndimage.label(mask)
    return np.asarray(labels, dtype=np.intp)


def _inside(ring: Float64) -> tuple[int, int]:
    """The mask pixel to the left of a ring's first crack (the mask always lies to the left)."""
    (y0, x0), (y1, x1) = ring[0], ring[1]
    dy, dx = int(np.sign(y1 - y0)), int(np.sign(x1 - x0))
    row = int(y0) if dx > 0 or dy > 0 else int(y0) - 1
    column = int(x0) if dx > 0 or dy < 0 else int(x0) - 1
    return row, column


def _cracks(mask: npt.NDArray[np.bool_]) -> dict[_Vertex, list[_Vertex]]:
    """Edges between mask and outside, each directed so that the mask lies on the side of (x, y) counter-clockwise.

    Returns
    -------
    dict
        From a vertex (row, column) to the vertices that its cracks lead to: one, or two at a saddle.
    """
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    starts_and_steps = (
        (inside & ~padded[:-2, 1:-1], (0, 0), (0, 1)),  # open above: run to larger x along the upper edge
        (inside & ~padded[1:-1, 2:], (0, 1), (1, 0)),  # open at larger x: run to larger y
        (inside & ~padded[2:, 1:-1], (1, 1), (0, -1)),  # open below: run back
        (inside & ~padded[1:-1, :-2], (1, 0), (-1, 0)),
    )
    leads: dict[_Vertex, list[_Vertex]] = {}
    for where, (row_of, column_of), (dy, dx) in starts_and_steps:
        for row, column in (np.argwhere(where) + np.array([row_of, column_of])).tolist():
            leads.setdefault((row, column), []).append((row + dy, column + dx))
    return leads


def _turn(came_from: _Vertex, at: _Vertex, choices: list[_Vertex]) -> _Vertex:
    """At a saddle keep to the same pixel: turn towards the mask."""
    dy, dx = at[0] - came_from[0], at[1] - came_from[1]
    wanted = (at[0] + dx, at[1] - dy)
    return wanted if wanted in choices else choices[0]


def _simple_rings(leads: dict[_Vertex, list[_Vertex]]) -> list[list[_Vertex]]:
    rings: list[list[_Vertex]] = []
    while leads:
        start = next(iter(leads))
        path, places = [start], {start: 0}
        following = leads[start][0]
        while True:
            _take(leads, path[-1], following)
            if following in places:
                first = places[following]
                rings.append(_corners([*path[first:], following]))
                for vertex in path[first + 1 :]:
                    del places[vertex]
                del path[first + 1 :]
                if first == 0:
                    break
                following = leads[path[-1]][0]
                continue
            places[following] = len(path)
            path.append(following)
            following = _turn(path[-2], path[-1], leads[path[-1]])
    return rings


def _take(leads: dict[_Vertex, list[_Vertex]], vertex: _Vertex, following: _Vertex) -> None:
    leads[vertex].remove(following)
    if not leads[vertex]:
        del leads[vertex]


def _corners(ring: list[_Vertex]) -> list[_Vertex]:
    """Drop the vertices on straight stretches, and start at a corner."""
    points = np.array(ring[:-1])
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    kept = points[np.any(before != after, axis=1)].tolist()
    corners = [(int(row), int(column)) for row, column in kept]
    return [*corners, corners[0]]
