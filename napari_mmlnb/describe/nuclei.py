"""Nuclei of a tile: where they are, how large, how dark, how long.

Segmentation by classical means on the haematoxylin channel: a threshold (Otsu's, kept within what haematoxylin does in
a nucleus, and raised where the surroundings are dark), then a watershed on the distance transform to part what touches.
It finds nuclei; it does not name cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from napari_mmlnb.describe.stains import (
    WORKING_UM_PER_PX,
    Float32,
    Mask,
    StainedTile,
    disc,
    distance_to,
    opened,
    pixels,
    smooth,
)

THRESHOLD_OD = (0.16, 0.55)
"""Bounds of the threshold on haematoxylin, OD."""

NUCLEUS_UM = (4.0, 25.0)
"""Equivalent diameters that a nucleus may have, um."""

PALE_CONTRAST = 1.3
"""A pale nucleus' ratio of red to green absorption, over that of its surroundings."""

PALE_RED_OD = 0.09
"""Least absorption of red in a pale nucleus, OD."""

WAIST = 0.85
"""Two peaks of the distance are two nuclei where the way between narrows below this share of the smaller."""

CORE = 0.6
"""Radius of a nucleus' core, as a share of the distance at its peak."""


@dataclass(frozen=True)
class NucleiTable:
    """One row a nucleus.

    Parameters
    ----------
    labels : ndarray
        (h, w) int32 at the working scale; 0 is no nucleus, i + 1 is row i.
    centre_px : ndarray
        (n, 2) float64, (row, column) of the working scale.
    area_um2, diameter_um : ndarray
        (n,) float64; the diameter is that of a disc of the same area.
    elongation : ndarray
        (n,) float64, length over width of the ellipse with the same moments, at least 1.
    haematoxylin_od : ndarray
        (n,) float64, mean over the nucleus.
    whole : ndarray
        (n,) bool, false where the edge of the tile cuts the nucleus.
    """

    labels: npt.NDArray[np.int32]
    centre_px: npt.NDArray[np.float64]
    area_um2: npt.NDArray[np.float64]
    diameter_um: npt.NDArray[np.float64]
    elongation: npt.NDArray[np.float64]
    haematoxylin_od: npt.NDArray[np.float64]
    whole: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """How many nuclei there are, cut ones included."""
        return len(self.area_um2)

    @property
    def mask(self) -> Mask:
        """(h, w) bool, true inside a nucleus."""
        return self.labels > 0

    @property
    def effective_count(self) -> float:
        """Nuclei, those cut by the edge counted half: an unbiased count of a sampled area."""
        return float(len(self) - 0.5 * np.count_nonzero(~self.whole))


def segment_nuclei(tile: StainedTile) -> NucleiTable:
    """Find the nuclei of a tile."""
    foreground = nuclear_mask(tile)
    labels = split_touching(foreground)
    return tabulate(labels, tile)


def nuclear_mask(tile: StainedTile) -> Mask:
    """Which pixels are nuclear, (h, w) bool, not yet parted: dark nuclei, and pale ones that are bluer than around."""
    stain = smooth(tile.haematoxylin, 0.5)
    threshold = haematoxylin_threshold(stain, tile.tissue)
    surroundings = smooth(stain, 12.0)
    dark = opened((stain > np.maximum(threshold, 0.9 * surroundings)) & tile.tissue, 1.0)
    return _fill_small_holes(dark | pale_nuclei(tile, dark), hole_um2=12.0)


def pale_nuclei(tile: StainedTile, dark: Mask) -> Mask:
    """Vesicular nuclei that a threshold on haematoxylin misses, (h, w) bool.

    Eosin hardly absorbs red, so the share of red in what is absorbed is higher in a nucleus, however pale, than in
    the cytoplasm around it.
    """
    red, green = np.moveaxis(smooth(tile.density[..., :2], 0.75), 2, 0)
    share = red / np.maximum(green, 0.05)
    # Nuclei found already, with their blurred edges, neither count nor serve as surroundings; nucleoli do count.
    away = distance_to(opened(dark, 1.8)) > pixels(1.0)
    weight = (away & tile.tissue).astype(np.float32)
    around = smooth(share * weight, 8.0) / np.maximum(smooth(weight, 8.0), 0.05)
    bluer = (share > PALE_CONTRAST * around) & (red > PALE_RED_OD) & away & tile.tissue
    return opened(bluer, 2.25)


def haematoxylin_threshold(stain: Float32, tissue: Mask) -> float:
    """Otsu's threshold over the tissue, OD, kept within `THRESHOLD_OD`."""
    low, high = THRESHOLD_OD
    values = stain[tissue]
    if values.size == 0:
        return high
    top = 1.5
    levels = np.clip(values * (255.0 / top), 0, 255).astype(np.uint8)
    otsu, _ = cv2.threshold(levels.reshape(-1, 1), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return float(np.clip(otsu * top / 255.0, low, high))


def split_touching(mask: Mask) -> npt.NDArray[np.int32]:
    """Part touching nuclei by the distance to the background.

    Each peak of the distance is the middle of a nucleus; peaks without a waist between them are one nucleus. A pixel
    belongs to the nucleus whose core is nearest (the watershed of the distance, as a Voronoi diagram of the cores).

    Returns
    -------
    ndarray
        (h, w) int32, 0 for background, then 1, 2, ...
    """
    distance = smooth(distance_to(~mask), 0.5)
    peaks = (distance >= cv2.dilate(distance, disc(1.5))) & (distance >= pixels(0.9)) & mask
    count, _, _, centres = cv2.connectedComponentsWithStats(peaks.astype(np.uint8), connectivity=8)
    if count < 2:
        return np.zeros(mask.shape, dtype=np.int32)
    points = np.rint(centres[1:]).astype(np.int32)
    radii = distance[points[:, 1], points[:, 0]]
    pairs = _joined_pairs(points, radii, distance)
    groups = _groups(len(points), pairs)
    cores = np.zeros(mask.shape, dtype=np.int32)
    for first, second in pairs:
        width = max(1, int(min(radii[first], radii[second])))
        ends = (points[first].tolist(), points[second].tolist())
        cv2.line(cores, *ends, color=int(groups[first]), thickness=width)
    for point, radius, group in zip(points.tolist(), radii.tolist(), groups.tolist(), strict=True):
        cv2.circle(cores, point, int(CORE * radius), color=group, thickness=-1)
    return _nearest_core(cores, mask)


def _joined_pairs(points: npt.NDArray[np.int32], radii: Float32, distance: Float32) -> npt.NDArray[np.int64]:
    """Pairs of peaks, (m, 2), that lie within one nucleus: near each other, and no waist on the line between."""
    pairs = cKDTree(points).query_pairs(pixels(NUCLEUS_UM[1] / 2), output_type="ndarray")
    if len(pairs) == 0:
        return np.empty((0, 2), dtype=np.int64)
    start, stop = points[pairs[:, 0]], points[pairs[:, 1]]
    steps = np.linspace(0, 1, 13)[None, :, None]
    along = np.rint(start[:, None] * (1 - steps) + stop[:, None] * steps).astype(np.int64)
    waist = distance[along[..., 1], along[..., 0]].min(axis=1)
    joined: npt.NDArray[np.int64] = pairs[waist > WAIST * np.minimum(radii[pairs[:, 0]], radii[pairs[:, 1]])]
    return joined


def _groups(count: int, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Number of the nucleus, from 1, that each peak belongs to."""
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, group = connected_components(links, directed=False)
    numbers: npt.NDArray[np.int32] = group.astype(np.int32) + 1
    return numbers


def _nearest_core(cores: npt.NDArray[np.int32], mask: Mask) -> npt.NDArray[np.int32]:
    """Give every pixel of the mask to the nearest core, (h, w) int32."""
    outside = (cores == 0).astype(np.uint8)
    _, source = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    number = np.zeros(int(source.max()) + 1, dtype=np.int32)
    inside = outside == 0
    number[source[inside]] = cores[inside]
    labels: npt.NDArray[np.int32] = np.where(mask, number[source], 0).astype(np.int32)
    return labels


def tabulate(labels: npt.NDArray[np.int32], tile: StainedTile) -> NucleiTable:
    """Measure each label; those too small or too large for a nucleus are dropped, the rest numbered anew."""
    flat = labels.ravel()
    count = int(flat.max(initial=0)) + 1
    area_px = np.bincount(flat, minlength=count).astype(np.float64)
    diameter = 2 * np.sqrt(area_px * tile.pixel_um2 / np.pi)
    keep = (diameter >= NUCLEUS_UM[0]) & (diameter <= NUCLEUS_UM[1])
    keep[0] = False
    renumbered = np.zeros(count, dtype=np.int32)
    renumbered[keep] = np.arange(1, int(keep.sum()) + 1)
    rows, columns = np.divmod(np.arange(flat.size, dtype=np.float64), labels.shape[1])
    safe = np.maximum(area_px, 1)

    def mean(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        return np.asarray(np.bincount(flat, weights=values, minlength=count) / safe, dtype=np.float64)

    cy, cx = mean(rows), mean(columns)
    # A pixel is an area, hence 1/12 of its own second moment.
    yy, xx = mean(rows**2) - cy**2 + 1 / 12, mean(columns**2) - cx**2 + 1 / 12
    xy = mean(rows * columns) - cy * cx
    spread = np.sqrt(((yy - xx) / 2) ** 2 + xy**2)
    elongation = np.sqrt(((yy + xx) / 2 + spread) / np.maximum((yy + xx) / 2 - spread, 1e-6))
    cut = np.zeros(count, dtype=bool)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        cut[edge] = True
    return NucleiTable(
        labels=renumbered[labels],
        centre_px=np.stack([cy, cx], axis=1)[keep],
        area_um2=area_px[keep] * WORKING_UM_PER_PX**2,
        diameter_um=diameter[keep],
        elongation=elongation[keep],
        haematoxylin_od=mean(tile.haematoxylin.ravel())[keep],
        whole=~cut[keep],
    )


def _fill_small_holes(mask: Mask, hole_um2: float) -> Mask:
    """Fill holes (pale chromatin) up to an area; larger ones are spaces between cells."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] <= hole_um2 / WORKING_UM_PER_PX**2
    if count:
        small[0] = False  # component 0 of the inverted picture is the nuclei themselves
    filled: Mask = mask | small[parts]
    return filled
