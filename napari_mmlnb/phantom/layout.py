"""Where each kind of tissue lies: fragments of a section on glass, divided into lobules by septa."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.phantom.noise import Field, blur, distance_to_zero, fractal_field, smooth_field
from napari_mmlnb.phantom.recipe import DECISIVE, LABEL, NEUROPIL_BEARING, TISSUES, Recipe

SPACING_UM = 4.0
"""Size of a pixel of the layout; 28 of them are a side of a tile of the attribute grid."""

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Layout:
    """The plan of a slide, one pixel `SPACING_UM` micrometres.

    Parameters
    ----------
    grid : PixelGrid
        Where the rasters lie.
    size_um : tuple of float
        Height and width of the slide, micrometres; the grid may reach beyond it.
    labels : ndarray
        (h, w) uint8: 0 for glass, else `recipe.LABEL`.
    edge_um : ndarray
        (h, w) float32: depth inside the tissue, micrometres; negative on glass.
    lakes : ndarray
        (h, w) bool: neuropil, as against the nests of cells in it.
    angle : ndarray
        (h, w, 2) float32: cosine and sine of twice the direction of the fibres.
    thickness : ndarray
        (h, w) float32: how thick the section is, 1 as usual.
    """

    grid: PixelGrid
    size_um: tuple[float, float]
    labels: Labels
    edge_um: Field
    lakes: npt.NDArray[np.bool_]
    angle: Field
    thickness: Field

    def mask(self, *kinds: str) -> npt.NDArray[np.bool_]:
        """Where any of these kinds of tissue lies, (h, w)."""
        return np.isin(self.labels, [LABEL[kind] for kind in kinds])

    @property
    def tissue(self) -> npt.NDArray[np.bool_]:
        """Where there is tissue, (h, w)."""
        return self.labels > 0

    def at(self, field: npt.NDArray[np.generic], y: Field, x: Field) -> npt.NDArray[np.generic]:
        """Values of a raster at points given in micrometres."""
        rows = np.clip((y / SPACING_UM).astype(np.intp), 0, self.grid.shape[0] - 1)
        columns = np.clip((x / SPACING_UM).astype(np.intp), 0, self.grid.shape[1] - 1)
        values: npt.NDArray[np.generic] = field[rows, columns]
        return values


def lay_out(rng: np.random.Generator, recipe: Recipe, size_um: tuple[float, float]) -> Layout:
    """Draw the plan of a slide.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all chance in it.
    recipe : Recipe
        What is wanted.
    size_um : tuple of float
        Height and width, micrometres.

    Returns
    -------
    Layout
    """
    shape = (math.ceil(size_um[0] / SPACING_UM), math.ceil(size_um[1] / SPACING_UM))
    side_um = min(size_um)
    tissue = _fragments(rng, shape)
    lobule_um = float(np.clip(0.115 * side_um, 70.0, 250.0) * rng.uniform(0.85, 1.15))
    lobules, gap, across = _lobules(rng, shape, lobule_um / SPACING_UM)
    labels = _assign(rng, recipe, lobules, tissue)
    labels = _septa(rng, recipe, labels, gap, lobule_um / SPACING_UM)
    labels[~tissue] = 0
    edge = _depth(tissue)
    thickness = 1.0 + 0.09 * fractal_field(rng, shape, 600.0 / SPACING_UM, 2)
    if rng.random() < 0.6:
        thin = rng.uniform(25.0, 90.0)
        thickness *= 1.0 - rng.uniform(0.15, 0.5) * np.exp(-np.maximum(edge, 0.0) / thin)
    return Layout(
        grid=PixelGrid(shape, (SPACING_UM, SPACING_UM)),
        size_um=size_um,
        labels=labels,
        edge_um=edge,
        lakes=_lakes(rng, recipe, labels),
        angle=_directions(rng, shape, gap, across),
        thickness=np.maximum(thickness, 0.3).astype(np.float32),
    )


def _fragments(rng: np.random.Generator, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """One to three pieces of tissue with ragged outlines and clefts."""
    height, width = shape
    side = min(shape)
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float32)
    noise = 0.24 * fractal_field(rng, shape, 0.33 * side, 4, 0.55) + 0.025 * fractal_field(rng, shape, 18.0, 3, 0.7)
    best = np.full(shape, -9.0, np.float32)
    pieces = int(rng.choice((1, 2, 3), p=(0.4, 0.4, 0.2)))
    turn = rng.uniform(0.0, np.pi)
    for piece in range(pieces):
        spread = 0.0 if pieces == 1 else 0.27
        phase = turn + 2.0 * np.pi * piece / pieces
        cy = height * (0.5 + spread * np.sin(phase) + rng.uniform(-0.05, 0.05))
        cx = width * (0.5 + spread * np.cos(phase) + rng.uniform(-0.05, 0.05))
        scale = (0.52, 0.40, 0.31)[pieces - 1] * rng.uniform(0.78, 1.0)
        aspect = np.exp(rng.normal(0.0, 0.16))
        angle = rng.uniform(0.0, np.pi)
        u = (xx - cx) / width * np.cos(angle) + (yy - cy) / height * np.sin(angle)
        v = (yy - cy) / height * np.cos(angle) - (xx - cx) / width * np.sin(angle)
        power = rng.uniform(2.0, 3.4)
        radius = (np.abs(u / (scale * aspect)) ** power + np.abs(v * aspect / scale) ** power) ** (1.0 / power)
        best = np.maximum(best, 1.0 - radius)
    field = best + noise
    # Clefts follow the zero line of a field and taper out where another one falls.
    line = np.abs(fractal_field(rng, shape, 0.45 * side, 2, 0.35))
    taper = smooth_field(rng, shape, 0.3 * side) - rng.uniform(0.7, 1.6)
    field = np.minimum(field, line - np.float32(0.08) * np.clip(taper, -1.0, 1.0))
    if rng.random() < 0.75:
        # Most sections lie whole on the slide.
        border = np.minimum.reduce([yy / height, xx / width, 1.0 - yy / height, 1.0 - xx / width])
        field = np.minimum(field, 9.0 * (border - np.float32(0.025)) + 0.5 * noise)
    tissue = (field > 0).astype(np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    tissue = cv2.morphologyEx(tissue, cv2.MORPH_OPEN, kernel)
    count, components, stats, _ = cv2.connectedComponentsWithStats(tissue, connectivity=4)
    keep = np.zeros(count, bool)
    keep[1:] = stats[1:, cv2.CC_STAT_AREA] > max(0.004 * height * width, 30)
    whole: npt.NDArray[np.bool_] = keep[components]
    return whole


def _depth(tissue: npt.NDArray[np.bool_]) -> Field:
    """Signed distance to the tissue's outline, micrometres, positive inside."""
    inside = distance_to_zero(tissue.astype(np.uint8))
    outside = distance_to_zero((~tissue).astype(np.uint8))
    return blur((inside - outside) * np.float32(SPACING_UM), 1.2)


def _lobules(
    rng: np.random.Generator, shape: tuple[int, int], size: float
) -> tuple[npt.NDArray[np.intp], Field, npt.NDArray[np.float64]]:
    """Warped Voronoi cells: index, gap to the neighbour (pixels; 0 on the border), and the line between both seeds."""
    count = max(int(shape[0] * shape[1] / size**2), 4)
    seeds = rng.uniform((-size, -size), (shape[0] + size, shape[1] + size), (count, 2))
    for _ in range(4):
        distance, other = cKDTree(seeds).query(seeds, k=2)
        push = (seeds - seeds[other[:, 1]]) / np.maximum(distance[:, 1:], 1e-6)
        seeds += push * np.maximum(0.85 * size - distance[:, 1:], 0.0) * 0.5
    yy, xx = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    warp = [fractal_field(rng, shape, 1.1 * size, 4, 0.5) * np.float32(0.2 * size) for _ in range(2)]
    points = np.stack([(yy + warp[0]).ravel(), (xx + warp[1]).ravel()], axis=1)
    distance, index = cKDTree(seeds).query(points, k=2)
    gap: Field = (distance[:, 1] - distance[:, 0]).reshape(shape).astype(np.float32)
    across = (seeds[index[:, 1]] - seeds[index[:, 0]]).reshape(*shape, 2)
    return index[:, 0].reshape(shape), gap, across


def _assign(
    rng: np.random.Generator, recipe: Recipe, lobules: npt.NDArray[np.intp], tissue: npt.NDArray[np.bool_]
) -> Labels:
    """Give each lobule a tissue, in clusters, so that the shares of the recipe come out."""
    count = int(lobules.max()) + 1
    area = np.bincount(lobules[tissue], minlength=count).astype(float)
    neighbours = _adjacency(lobules, count)
    free = {int(i) for i in np.flatnonzero(area)}
    target = {kind: share * area.sum() for kind, share in recipe.shares.items()}
    kinds = [DECISIVE[recipe.subtype]]
    rest = [kind for kind in TISSUES if kind not in kinds and target[kind] > 0]
    kinds += [rest[i] for i in rng.permutation(len(rest))]
    chosen = np.zeros(count, np.uint8)
    typical = float(np.median(area[area > 0]))
    got = dict.fromkeys(TISSUES, 0.0)
    for kind in kinds:
        cluster: list[int] = []
        while free and got[kind] + 0.5 * typical < target[kind]:
            near = sorted({n for i in cluster for n in neighbours[i]} & free)
            pool = near if near and rng.random() < 0.82 else sorted(free)
            weights = area[pool] + 1e-3
            pick = int(rng.choice(pool, p=weights / weights.sum()))
            free.discard(pick)
            cluster.append(pick)
            chosen[pick] = LABEL[kind]
            got[kind] += area[pick]
    for index in sorted(free):
        kind = max(rest, key=lambda name: target[name] - got[name])
        chosen[index] = LABEL[kind]
        got[kind] += area[index]
    return chosen[lobules]


def _adjacency(lobules: npt.NDArray[np.intp], count: int) -> list[set[int]]:
    """Which lobules touch."""
    neighbours: list[set[int]] = [set() for _ in range(count)]
    for a, b in ((lobules[:, :-1], lobules[:, 1:]), (lobules[:-1], lobules[1:])):
        differ = a != b
        for i, j in np.unique(np.stack([a[differ], b[differ]], axis=1), axis=0).tolist():
            neighbours[i].add(j)
            neighbours[j].add(i)
    return neighbours


def _septa(rng: np.random.Generator, recipe: Recipe, labels: Labels, gap: Field, size: float) -> Labels:
    """Schwannian septa along some of the borders between lobules of tumour."""
    shape = labels.shape
    width = rng.uniform(10.0, 30.0) / SPACING_UM * np.exp(0.5 * smooth_field(rng, shape, size))
    present = smooth_field(rng, shape, 1.6 * size) > rng.uniform(-0.5, 0.5)
    firm = np.isin(labels, [LABEL[kind] for kind in ("solid", *NEUROPIL_BEARING, "lymphoid", "haemorrhage")])
    divided = labels.copy()
    if recipe.shares["stroma"] > 0:
        divided[(gap < width) & present & firm] = LABEL["stroma"]
    return divided


def _lakes(rng: np.random.Generator, recipe: Recipe, labels: Labels) -> npt.NDArray[np.bool_]:
    """Neuropil within the neuropil-bearing areas; the rest of them is nests of cells."""
    field = fractal_field(rng, labels.shape, 70.0 / SPACING_UM, 3, 0.6)
    bearing = np.isin(labels, [LABEL[kind] for kind in NEUROPIL_BEARING])
    lakes = np.zeros(labels.shape, bool)
    if bearing.any():
        lakes[bearing] = field[bearing] > np.quantile(field[bearing], 1.0 - recipe.neuropil_amount)
    return lakes


def _directions(rng: np.random.Generator, shape: tuple[int, int], gap: Field, across: npt.NDArray[np.float64]) -> Field:
    """Direction of fibres: along the septa near them, free elsewhere; doubled angle, (h, w, 2)."""
    free = 1.2 * fractal_field(rng, shape, 330.0 / SPACING_UM, 3, 0.4) + rng.uniform(0.0, np.pi)
    border = np.arctan2(across[..., 0], across[..., 1]) + np.pi / 2.0
    near = np.exp(-gap / (25.0 / SPACING_UM))
    ripple = 0.35 * smooth_field(rng, shape, 40.0 / SPACING_UM)
    field = np.empty((*shape, 2), np.float32)
    for plane, wave in enumerate((np.cos, np.sin)):
        field[..., plane] = near * wave(2.0 * (border + ripple)) + (1.0 - near) * wave(2.0 * (free + ripple))
    blurred = blur(field, 2.0)
    blurred /= np.maximum(np.hypot(blurred[..., 0], blurred[..., 1]), 1e-3)[..., None]
    return blurred
