"""Pen marks: where they are on an overview, and how much of a tile they cover.

The colours are those of `napari_mmlnb.slides.pen`. A tile alone shows too little for red ink, which is told from blood
by the glass around it: red strokes are found on the overview only.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.colour import optical_density
from napari_mmlnb.slides.pen import ink_mask

Mask = npt.NDArray[np.bool_]

STAINED_OD = 0.05
"""Mean optical density of the three channels above which a place is not empty glass."""


def stained_mask(rgb: RGB, glass: tuple[float, float, float]) -> Mask:
    """What is not empty glass, ink included, in a reduced picture (h, w, 3); (h, w) bool."""
    stained: Mask = optical_density(rgb, glass).mean(axis=2) > STAINED_OD
    return stained


def pen_mask(rgb: RGB, glass: tuple[float, float, float], um_per_px: float) -> Mask:
    """Where a pen covers an overview.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8, 4 to 16 um per pixel.
    glass : tuple of float
        Grey levels of empty glass.
    um_per_px : float
        Scale of `rgb`.

    Returns
    -------
    ndarray
        (h, w) bool, with the rim in which ink thins out.
    """
    # Stain varies from pixel to pixel where ink is even: a little smoothing keeps dense nuclei from looking like ink.
    smooth = np.asarray(cv2.GaussianBlur(rgb, (0, 0), max(4.0 / um_per_px, 0.5)), dtype=np.uint8)
    # Black ink and unscanned black look the same: here both count.
    nothing = np.zeros(smooth.shape[:2], dtype=np.bool_)
    return ink_mask(smooth, glass, stained_mask(smooth, glass), nothing, um_per_px)
