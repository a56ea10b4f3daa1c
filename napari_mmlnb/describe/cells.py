"""Two rare kinds of cell that the eye looks for: large ones with ample cytoplasm, and dark clumped fragments."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from napari_mmlnb.describe.nuclei import NucleiTable
from napari_mmlnb.describe.stains import Float32, StainedTile, disc, pixels, smooth


@dataclass(frozen=True)
class AmpleCytoplasmLimits:
    """When a cell counts as more than twice its nucleus across.

    Parameters
    ----------
    nucleus_um
        Least equivalent diameter of its nucleus, um.
    paleness
        Its nucleus' haematoxylin is at most this share of the median nucleus'.
    reach
        How far from the nucleus' edge the cytoplasm goes on average, in radii of the nucleus; 1 is twice across.
    eosin_step_od
        Eosin of the cytoplasm above that of its surroundings, OD.
    """

    nucleus_um: float = 8.0
    paleness: float = 1.05
    reach: float = 1.0
    eosin_step_od: float = 0.03


AMPLE = AmpleCytoplasmLimits()
RAYS = 16


def ample_cytoplasm(
    tile: StainedTile, nuclei: NucleiTable, limits: AmpleCytoplasmLimits = AMPLE
) -> npt.NDArray[np.bool_]:
    """Which nuclei lie in a cell more than twice as far across as they are, (n,) bool.

    Along rays from the nucleus the cytoplasm goes on until another nucleus, glass, or eosin nearer to that of the
    surroundings (three radii out) than to that beside the nucleus.
    """
    found = np.zeros(len(nuclei), dtype=bool)
    if len(nuclei) == 0:
        return found
    typical = float(np.median(nuclei.haematoxylin_od))
    candidates = np.flatnonzero(
        nuclei.whole & (nuclei.diameter_um >= limits.nucleus_um) & (nuclei.haematoxylin_od <= limits.paleness * typical)
    )
    if len(candidates) == 0:
        return found
    found[candidates] = _cytoplasm_reach(tile, nuclei, candidates, limits) > limits.reach
    return found


def _cytoplasm_reach(
    tile: StainedTile, nuclei: NucleiTable, rows: npt.NDArray[np.int64], limits: AmpleCytoplasmLimits
) -> npt.NDArray[np.float64]:
    """Mean length of the cytoplasm from the edge of the nucleus, in radii of the nucleus, (n,)."""
    radius = pixels(1.0) * nuclei.diameter_um[rows] / 2
    angles = np.arange(RAYS) * (2 * np.pi / RAYS)
    steps = np.linspace(1.15, 3.2, 15)
    direction = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    offsets = radius[:, None, None, None] * steps[None, None, :, None] * direction[None, :, None, :]
    where = (nuclei.centre_px[rows][:, None, None, :] + offsets).transpose(3, 0, 1, 2)
    eosin = map_coordinates(smooth(tile.eosin, 1.0), where, order=1, mode="nearest")
    label = map_coordinates(nuclei.labels, where, order=0, mode="constant", cval=0)
    tissue = map_coordinates(tile.tissue.astype(np.uint8), where, order=0, mode="constant", cval=0) > 0
    own = label == (rows + 1)[:, None, None]
    free = tissue & ((label == 0) | own)
    near = _mean_where(eosin, free & (steps < 1.7))
    far = _mean_where(eosin, free & (steps > 2.4))
    cytoplasm = free & (eosin > ((near + far) / 2)[:, None, None])
    run = np.cumprod(cytoplasm, axis=2).sum(axis=2) * (steps[1] - steps[0])
    reach: npt.NDArray[np.float64] = run.mean(axis=1) + (steps[0] - 1)
    return np.where(near - far >= limits.eosin_step_od, reach, 0.0)


def _mean_where(values: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    total = np.where(mask, values, 0).sum(axis=(1, 2))
    mean: npt.NDArray[np.float64] = total / np.maximum(mask.sum(axis=(1, 2)), 1)
    return mean


@dataclass(frozen=True)
class FragmentLimits:
    """When a dark clump counts as a fragment or a condensed figure.

    Parameters
    ----------
    darkness
        Haematoxylin above that of the median nucleus, as a factor.
    darkness_od
        And at least this, OD.
    area_um2
        Least and greatest area.
    rim
        Haematoxylin of the 1.5 um around it, at most this share of its own: it stands alone, unlike a clump of
        chromatin within a nucleus.
    """

    darkness: float = 1.45
    darkness_od: float = 0.55
    area_um2: tuple[float, float] = (2.0, 40.0)
    rim: float = 0.6


FRAGMENTS = FragmentLimits()


def count_dark_fragments(tile: StainedTile, nuclei: NucleiTable, limits: FragmentLimits = FRAGMENTS) -> int:
    """Dark clumps as they are seen in karyorrhexis and mitosis; clumps within 3 um of each other are one event."""
    typical = float(np.median(nuclei.haematoxylin_od)) if len(nuclei) else 0.0
    stain = smooth(tile.haematoxylin, 0.4)
    dark = (stain > max(limits.darkness_od, limits.darkness * typical)) & tile.tissue
    count, parts, stats, _ = cv2.connectedComponentsWithStats(dark.astype(np.uint8), connectivity=8)
    if count < 2:
        return 0
    area = stats[:, cv2.CC_STAT_AREA] * tile.pixel_um2
    # The pixels just outside the clump are blurred; the rim begins half a micrometre out.
    near = cv2.dilate(parts.astype(np.float32), disc(0.5)).astype(np.int32)
    wide = cv2.dilate(parts.astype(np.float32), disc(2.0)).astype(np.int32)
    rim = np.where(near == 0, wide, 0)
    keep = (
        (area >= limits.area_um2[0])
        & (area <= limits.area_um2[1])
        & (
            _label_means(stain, rim, count)
            <= limits.rim * _label_means(stain, np.asarray(parts, dtype=np.int32), count)
        )
    )
    keep[0] = False
    events, _ = cv2.connectedComponents(cv2.dilate(keep[parts].astype(np.uint8), disc(1.5)))
    return int(events) - 1


def _label_means(values: Float32, labels: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.float64]:
    sums = np.bincount(labels.ravel(), weights=values.ravel(), minlength=count)
    return np.asarray(sums / np.maximum(np.bincount(labels.ravel(), minlength=count), 1), dtype=np.float64)
