"""Where the tissue is, by the light that it absorbs, measured against the glass of the same slide.

Every stain of tissue absorbs some colours more than others; glass, dust, shadows of the coverslip and black borders are
grey. So a pixel is tissue where its optical density against the glass, and the spread of the densities between the
channels, both exceed what noise gives. The limits are fixed in optical density, never fitted to the histogram, for a
histogram can always be cut in two, on a blank slide too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.colour import optical_density
from napari_mmlnb.slides.overview import read_overview
from napari_mmlnb.slides.roi import Roi
from napari_mmlnb.slides.slide import Slide

Mask = npt.NDArray[np.bool_]

# Of the most absorbed channel, and between it and the least absorbed one.
_MIN_DENSITY = 0.035
_MIN_SPREAD = 0.02
_SMOOTH_UM = 5.0
_MIN_SPECK_MM2 = 0.01
_MAX_HOLE_MM2 = 0.01
_PEN_RIM_UM = 40.0

# Glass is bright and nearly without colour; on a slide filled with tissue there may be none to measure.
_GLASS_MIN_LEVEL = 190
_GLASS_MAX_CHROMA = 30
_GLASS_MIN_SHARE = 0.005
_GLASS_USUAL = (243.0, 243.0, 243.0)


@dataclass(frozen=True)
class TissueMask:
    """Where tissue is.

    Parameters
    ----------
    mask : ndarray
        (h, w) bool.
    grid : PixelGrid
        Where the mask lies on the slide.
    """

    mask: Mask
    grid: PixelGrid

    @property
    def area_mm2(self) -> float:
        """Area of the tissue, square millimetres."""
        return float(np.count_nonzero(self.mask)) * math.prod(self.grid.spacing_um) * 1e-6

    @property
    def fraction(self) -> float:
        """Share of the slide's area, 0 to 1."""
        return float(np.count_nonzero(self.mask)) / max(self.mask.size, 1)

    def restrict(self, roi: Roi) -> TissueMask:
        """Only what lies in a region of interest."""
        return replace(self, mask=self.mask & roi.rasterise(self.grid))


def find_tissue(slide: Slide, um_per_px: float = 8.0, roi: Roi | None = None) -> TissueMask:
    """Find the tissue of a slide.

    Parameters
    ----------
    slide : Slide
        The slide.
    um_per_px : float
        Scale at which to look, micrometres per pixel.
    roi : Roi, optional
        Keep only what lies in it.

    Returns
    -------
    TissueMask
        Empty on a blank slide. What cannot be decoded counts as tissue, so that its tiles are tried, fail, and are
        counted as unreadable, instead of vanishing from the coverage.

    Raises
    ------
    SlideReadError
        If nothing of the slide can be decoded.
    """
    overview = read_overview(slide, um_per_px)
    mask = tissue_in(overview.rgb, um_per_px, overview.readable)
    tissue = TissueMask(mask | ~overview.readable, overview.grid)
    return tissue if roi is None else tissue.restrict(roi)


def tissue_in(rgb: RGB, um_per_px: float, readable: Mask | None = None) -> Mask:
    """Tissue in an overview picture.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8.
    um_per_px : float
        Its scale.
    readable : ndarray, optional
        (h, w) bool; where the picture is not the slide's, it is not judged (False in the result).

    Returns
    -------
    ndarray
        (h, w) bool.
    """
    known = np.ones(rgb.shape[:2], dtype=np.bool_) if readable is None else readable
    density = optical_density(rgb, glass_colour(rgb[known]))
    density[~known] = 0
    smooth = cv2.GaussianBlur(density, (0, 0), max(_SMOOTH_UM / um_per_px, 0.5))
    strongest, weakest = smooth.max(axis=-1), smooth.min(axis=-1)
    mask: Mask = (strongest > _MIN_DENSITY) & (strongest - weakest > _MIN_SPREAD)
    mask &= ~_ink(rgb, density, um_per_px) & known
    pixel_mm2 = (um_per_px * 1e-3) ** 2
    mask = _without_small(mask, _MIN_SPECK_MM2 / pixel_mm2)
    return ~_without_small(~mask, _MAX_HOLE_MM2 / pixel_mm2) & known


def glass_colour(pixels: RGB) -> tuple[float, float, float]:
    """The colour of empty glass: the commonest grey level of each channel among bright, nearly colourless pixels.

    Parameters
    ----------
    pixels : ndarray
        (..., 3) uint8.

    Returns
    -------
    tuple of float
        Red, green, blue; a usual scanner's white where the picture shows hardly any glass.
    """
    flat = pixels.reshape(-1, 3)
    low, high = flat.min(axis=1), flat.max(axis=1)
    glass = flat[(low >= _GLASS_MIN_LEVEL) & (high - low <= _GLASS_MAX_CHROMA)]
    if len(glass) < max(_GLASS_MIN_SHARE * len(flat), 1):
        return _GLASS_USUAL
    red, green, blue = (float(np.bincount(glass[:, channel], minlength=256).argmax()) for channel in range(3))
    return red, green, blue


def _ink(rgb: RGB, density: npt.NDArray[np.float32], um_per_px: float) -> Mask:
    """Pen marks, with their pale rims. Haematoxylin absorbs green at least nearly as much as red; inks do not."""
    red, green, blue = density[..., 0], density[..., 1], density[..., 2]
    blue_ink = (red > 0.35) & (red > 1.45 * green)
    green_ink = (red > 0.25) & (red > 1.25 * green) & (blue > 0.8 * green)
    black = rgb.max(axis=-1) < 50
    ink = (blue_ink | green_ink | black).astype(np.uint8)
    side = 2 * round(_PEN_RIM_UM / um_per_px / 2) + 1
    core = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    rim = cv2.dilate(core, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return rim.astype(np.bool_)


def _without_small(mask: Mask, min_px: float) -> Mask:
    """The mask without components below a size."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= min_px
    keep[0] = False
    return keep[labels] if count > 1 else np.zeros_like(mask)
