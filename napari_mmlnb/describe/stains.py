"""A tile as the describer looks at it: one fixed scale, two stains, and which of its pixels are tissue.

Everything that is measured is measured at `WORKING_UM_PER_PX`, so that the same tissue gives the same numbers
whichever level it was read from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.slides.colour import optical_density, separate_stains

Float32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

WORKING_UM_PER_PX = 0.5
"""Scale of all measurements, micrometres per pixel."""

GLASS_OD = 0.05
"""Mean optical density of the three channels, smoothed over 2 um, below which there is no tissue."""


@dataclass(frozen=True)
class StainedTile:
    """A tile at the working scale with its stains apart.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8.
    density : ndarray
        (h, w, 3) float32, optical density of the red, green and blue channel.
    haematoxylin, eosin : ndarray
        (h, w) float32, OD, not negative.
    tissue : ndarray
        (h, w) bool.
    """

    rgb: npt.NDArray[np.uint8]
    density: Float32
    haematoxylin: Float32
    eosin: Float32
    tissue: Mask

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.tissue.shape[0]), int(self.tissue.shape[1])

    @property
    def mean_density(self) -> Float32:
        """(h, w) float32, OD, mean of the three channels."""
        return np.ascontiguousarray(self.density.mean(axis=2))

    @property
    def pixel_um2(self) -> float:
        """Area of a pixel, square micrometres."""
        return WORKING_UM_PER_PX**2

    @property
    def tissue_mm2(self) -> float:
        """Area of tissue, square millimetres."""
        return float(self.tissue.sum()) * self.pixel_um2 * 1e-6


def pixels(micrometres: float) -> float:
    """A length in pixels of the working scale."""
    return micrometres / WORKING_UM_PER_PX


def smooth(image: Float32, sigma_um: float) -> Float32:
    """Gaussian blur, its standard deviation in micrometres; one channel or several.

    A wide blur is worked out on a smaller picture: its result holds no detail that would be lost.
    """
    sigma = pixels(sigma_um)
    factor = 1 if sigma < 3 else 2 if sigma < 8 else 4
    height, width = image.shape[:2]
    if factor == 1 or min(height, width) < 4 * factor:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), dtype=np.float32)
    if image.ndim == 3 and image.shape[2] > 4:  # as many channels as OpenCV resizes at once
        return np.dstack(
            [smooth(np.ascontiguousarray(image[..., i : i + 4]), sigma_um) for i in range(0, image.shape[2], 4)]
        )
    small = cv2.resize(image, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), sigma / factor, borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def disc(radius_um: float) -> npt.NDArray[np.uint8]:
    """A disc as a structuring element, its radius in micrometres."""
    r = max(1, round(pixels(radius_um)))
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * r + 1, 2 * r + 1)), dtype=np.uint8)


def distance_to(mask: Mask) -> Float32:
    """Pixels from each pixel to the nearest one of a mask, (h, w); the picture's diagonal where the mask is empty."""
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    return np.minimum(distance, math.hypot(*mask.shape), dtype=np.float32)


def opened(mask: Mask, radius_um: float) -> Mask:
    """A mask without its parts that no disc of this radius, in micrometres, fits into."""
    core = distance_to(~mask) > pixels(radius_um)
    return (distance_to(core) <= pixels(radius_um)) & mask


def stain_tile(rgb: npt.NDArray[np.uint8], um_per_px: float) -> StainedTile:
    """Bring a tile to the working scale and separate its stains.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8.
    um_per_px : float
        Of `rgb`, above zero.

    Raises
    ------
    ValueError
        If `rgb` is no RGB picture, is empty, or the scale is not above zero.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape or rgb.dtype != np.uint8:
        raise ValueError(f"not an RGB tile: {rgb.dtype} of shape {rgb.shape}")
    if not um_per_px > 0:
        raise ValueError(f"micrometres per pixel must be above zero, not {um_per_px}")
    scaled = _resample(np.ascontiguousarray(rgb), um_per_px / WORKING_UM_PER_PX)
    density = optical_density(scaled).astype(np.float32, copy=False)
    stains = np.maximum(separate_stains(scaled), 0).astype(np.float32, copy=False)
    tissue = smooth(np.ascontiguousarray(density.mean(axis=2)), 2.0) > GLASS_OD
    haematoxylin, eosin = np.ascontiguousarray(stains[..., 0]), np.ascontiguousarray(stains[..., 1])
    return StainedTile(scaled, density, haematoxylin, eosin, tissue)


def _resample(rgb: npt.NDArray[np.uint8], factor: float) -> npt.NDArray[np.uint8]:
    height, width = (max(1, round(side * factor)) for side in rgb.shape[:2])
    if (height, width) == rgb.shape[:2]:
        return rgb
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=method), dtype=np.uint8)
