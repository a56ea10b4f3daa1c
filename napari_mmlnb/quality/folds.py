"""Folds: narrow bands in which the section lies double, and takes away twice as much light in every channel.

A band counts as a fold where each channel is denser than what lies around it (the median over a quarter of a
millimetre) and than the slide's usual tissue, if it is longer than wide. A nest of cells raises red and hardly green,
blood raises green and hardly red: only more of all that is there raises all three. The weakest of the three ratios
counts.

Source: our design, after Bautista and Yagi (Detection of tissue folds in whole slide images, EMBC 2009), who enhance
what is dark and saturated in a thumbnail; the ratio to the surroundings and the shape are ours.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.colour import optical_density

Mask = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]

# Chosen with benchmarks/quality.py so that unfolded tissue is hardly ever called folded.
_LOCAL_RATIO, _SLIDE_RATIO = 1.35, 1.6

_AROUND_UM = 248.0
_SMOOTH_UM = 6.4
_LEAST_LENGTH_UM, _LEAST_AREA_UM2, _LEAST_ELONGATION = 100.0, 1900.0, 1.5
# Tissue that is paler than this share of the usual is no surroundings to compare with.
_PALEST = 0.4
_LEVELS = 60.0
_FAINTEST_OD = 0.02


def fold_mask(rgb: RGB, tissue: Mask, glass: tuple[float, float, float], um_per_px: float) -> Mask:
    """Where the section lies double.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8, an overview; measured at 8 um per pixel.
    tissue : ndarray
        (h, w) bool, without pen marks.
    glass : tuple of float
        Grey levels of empty glass.
    um_per_px : float
        Scale of `rgb`.

    Returns
    -------
    ndarray
        (h, w) bool.
    """
    if not tissue.any():
        return np.zeros_like(tissue)
    density = np.maximum(optical_density(rgb, glass), 0)
    density = cv2.GaussianBlur(density, (0, 0), max(_SMOOTH_UM / um_per_px, 0.5))
    dense = tissue.copy()
    for channel in cv2.split(density):
        local, slide = _ratios(channel, tissue, um_per_px)
        dense &= (local > _LOCAL_RATIO) & (slide > _SLIDE_RATIO)
    return _bands(dense, um_per_px)


def _ratios(channel: Float32, tissue: Mask, um_per_px: float) -> tuple[Float32, Float32]:
    """Density of a channel (h, w) over that of its surroundings, and over the slide's median."""
    usual = max(float(np.median(channel[tissue])), _FAINTEST_OD)
    relative = np.where(tissue, channel, usual) / usual
    levels = np.clip(relative * _LEVELS, 0, 255).astype(np.uint8)
    around = cv2.medianBlur(levels, max(3, round(_AROUND_UM / um_per_px) // 2 * 2 + 1)) / np.float32(_LEVELS)
    return (relative / np.maximum(around, _PALEST)).astype(np.float32), relative.astype(np.float32)


def _bands(mask: Mask, um_per_px: float) -> Mask:
    """The parts of a mask that are large, long, and longer than wide."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    found = np.zeros_like(mask)
    for label in range(1, count):
        left, top, width, height, area = stats[label].tolist()
        if area * um_per_px**2 < _LEAST_AREA_UM2:
            continue
        one = labels[top : top + height, left : left + width] == label
        across = 2 * float(cv2.distanceTransform(np.pad(one, 1).astype(np.uint8), cv2.DIST_L2, 3).max())
        along = area / across
        if along * um_per_px >= _LEAST_LENGTH_UM and along >= _LEAST_ELONGATION * across:
            found[top : top + height, left : left + width] |= one
    return found
