"""Two rare kinds of cell that the eye looks for: large ones with ample cytoplasm, and dark clumped fragments."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.describe.nuclei import NucleiTable
from napari_mmlnb.describe.stains import Float32, StainedTile, disc, pixels, smooth


@dataclass(frozen=True)
class AmpleCytoplasmLimits:
    """When a cell counts as more than twice its nucleus across.

    Parameters
    ----------
    nucleus_um
        Least equivalent diameter of its nucleus, um.
    elongation
        Greatest elongation of its nucleus.
    paleness
        Its nucleus' haematoxylin over that of the tile's dark nuclei (upper quartile), at most.
    eosin_od
        Least eosin of the cytoplasm beside the nucleus, OD.
    fade
        The cytoplasm goes on while its eosin is at least this share of that beside the nucleus.
    reach
        How far it goes on average, in radii from the centre of the nucleus; 2 is twice across.
    """

    nucleus_um: float = 7.5
    elongation: float = 1.8
    paleness: float = 0.75
    eosin_od: float = 0.08
    fade: float = 0.65
    reach: float = 1.8


AMPLE = AmpleCytoplasmLimits()
RAYS = 16
RADII = np.linspace(1.2, 2.4, 9)
"""Where a ray looks, in radii of the nucleus; it ends beyond the 2 that is asked for, so a short ray can be made up."""


def ample_cytoplasm(
    tile: StainedTile, nuclei: NucleiTable, limits: AmpleCytoplasmLimits = AMPLE
) -> npt.NDArray[np.bool_]:
    """Which nuclei lie in a cell more than twice as far across as they are, (n,) bool.

    Candidates are large, pale, roundish nuclei with eosin about them. Along rays the cytoplasm goes on until another
    nucleus, glass, or a fall of eosin. Where such cells lie edge to edge their borders are not seen, and the space up
    to the neighbours' nuclei stands for them: an estimate, hence "-like".
    """
    found = np.zeros(len(nuclei), dtype=bool)
    if len(nuclei) == 0:
        return found
    dark = float(np.percentile(nuclei.haematoxylin_od, 75))
    candidates = np.flatnonzero(
        (nuclei.diameter_um >= limits.nucleus_um)
        & (nuclei.elongation <= limits.elongation)
        & (nuclei.haematoxylin_od <= limits.paleness * dark)
    )
    if len(candidates):
        found[candidates] = _cytoplasm_reach(tile, nuclei, candidates, limits) > limits.reach
    return found


def _cytoplasm_reach(
    tile: StainedTile, nuclei: NucleiTable, rows: npt.NDArray[np.int64], limits: AmpleCytoplasmLimits
) -> npt.NDArray[np.float64]:
    """Mean distance of the cytoplasm's edge from the centre, in radii of the nucleus, (n,); 0 without eosin."""
    radius = pixels(1.0) * nuclei.diameter_um[rows] / 2
    angles = np.arange(RAYS) * (2 * np.pi / RAYS)
    direction = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    offsets = radius[:, None, None, None] * RADII[None, None, :, None] * direction[None, :, None, :]
    where = np.rint(nuclei.centre_px[rows][:, None, None, :] + offsets).astype(np.int64)
    y, x = (np.clip(where[..., axis], 0, side - 1) for axis, side in enumerate(tile.shape))
    eosin = smooth(tile.eosin, 1.0)[y, x]
    label = nuclei.labels[y, x]
    free = tile.tissue[y, x] & ((label == 0) | (label == (rows + 1)[:, None, None]))
    near = _mean_where(eosin, free & (RADII < 1.6))
    run = np.cumprod(free & (eosin > limits.fade * near[:, None, None]), axis=2).sum(axis=2)
    reach = RADII[0] + (run - 1).mean(axis=1) * (RADII[1] - RADII[0])
    return np.where(near >= limits.eosin_od, reach, 0.0)


def _mean_where(values: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    total = np.where(mask, values, 0).sum(axis=(1, 2))
    return np.asarray(total / np.maximum(mask.sum(axis=(1, 2)), 1), dtype=np.float64)


@dataclass(frozen=True)
class FragmentLimits:
    """When a dark clump counts as a fragment or a condensed figure.

    Parameters
    ----------
    darkness
        Haematoxylin over that of the tile's dark nuclei (upper quartile), at least.
    darkness_od
        And at least this, OD.
    area_um2
        Least and greatest area.
    rim
        Haematoxylin of the 1.5 um around it, at most this share of its own.
    within
        A clump in a nucleus of more than this many times its area is chromatin or a nucleolus.
    """

    darkness: float = 1.25
    darkness_od: float = 0.5
    area_um2: tuple[float, float] = (1.5, 26.0)
    rim: float = 0.55
    within: float = 3.0


FRAGMENTS = FragmentLimits()


def count_dark_fragments(tile: StainedTile, nuclei: NucleiTable, limits: FragmentLimits = FRAGMENTS) -> int:
    """Dark clumps as they are seen in karyorrhexis and mitosis; clumps within 4 um of each other are one event."""
    typical = float(np.percentile(nuclei.haematoxylin_od, 75)) if len(nuclei) else 0.0
    stain = smooth(tile.haematoxylin, 0.4)
    dark = (stain > max(limits.darkness_od, limits.darkness * typical)) & tile.tissue
    count, components, stats, _ = cv2.connectedComponentsWithStats(dark.astype(np.uint8), connectivity=8)
    if count < 2:
        return 0
    parts = np.asarray(components, dtype=np.int32)
    area = stats[:, cv2.CC_STAT_AREA] * tile.pixel_um2
    # The pixels just outside the clump are blurred; the rim begins half a micrometre out.
    near = cv2.dilate(parts.astype(np.float32), disc(0.5))
    wide = cv2.dilate(parts.astype(np.float32), disc(2.0)).astype(np.int32)
    rim = np.where(near == 0, wide, 0)
    host = np.concatenate([[0.0], nuclei.area_um2])[nuclei.labels].astype(np.float32)
    keep = (
        (area >= limits.area_um2[0])
        & (area <= limits.area_um2[1])
        & (_label_means(stain, rim, count) <= limits.rim * _label_means(stain, parts, count))
        & (_label_means(host, parts, count) <= limits.within * area)
    )
    keep[0] = False
    events, _ = cv2.connectedComponents(cv2.dilate(keep[parts].astype(np.uint8), disc(2.0)))
    return int(events) - 1


def _label_means(values: Float32, labels: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.float64]:
    sums = np.bincount(labels.ravel(), weights=values.ravel(), minlength=count)
    return np.asarray(sums / np.maximum(np.bincount(labels.ravel(), minlength=count), 1), dtype=np.float64)
