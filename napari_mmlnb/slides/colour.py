"""Colour as absorbed light: optical density, and haematoxylin and eosin taken apart.

Source: A. C. Ruifrok and D. A. Johnston, Quantification of histochemical staining by color deconvolution, Analytical
and Quantitative Cytology and Histology 23 (2001) 291-299. Optical densities add up where stains overlap (Beer-Lambert),
so the amounts of the stains follow from the densities of the three channels by inverting the matrix of stain vectors.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.slides.backends.base import RGB

Float32 = npt.NDArray[np.float32]

HAEMATOXYLIN = (0.65, 0.70, 0.29)
"""Optical density of haematoxylin in red, green and blue (Ruifrok and Johnston 2001), before normalisation."""

EOSIN = (0.07, 0.99, 0.11)
"""Optical density of eosin in red, green and blue (Ruifrok and Johnston 2001), before normalisation."""

WHITE = (255.0, 255.0, 255.0)


def optical_density(rgb: RGB, background: tuple[float, float, float] = WHITE) -> Float32:
    """Optical density of each channel, ``-log10(I / I0)``.

    Parameters
    ----------
    rgb : ndarray
        (..., 3) uint8.
    background : tuple of float
        Grey levels of glass, I0, in red, green and blue.

    Returns
    -------
    ndarray
        (..., 3) float32; 0 is glass, above it tissue, a little below it where brighter than `background`. An intensity
        of 0 counts as 1, so the largest value is about 2.4.
    """
    flat = np.ascontiguousarray(rgb).reshape(-1, 1, 3)
    density = cv2.LUT(flat, density_table(background).astype(np.float32)) if flat.size else flat
    return np.asarray(density, dtype=np.float32).reshape(rgb.shape)


def density_table(background: tuple[float, float, float] = WHITE) -> npt.NDArray[np.float64]:
    """The optical density of every grey level in each channel, (1, 256, 3), as `cv2.LUT` wants it."""
    light = np.maximum(np.arange(256, dtype=np.float64), 1.0)
    return -np.log10(light[:, None] / np.asarray(background, dtype=np.float64))[None]


def separate_stains(rgb: RGB, background: tuple[float, float, float] = WHITE) -> Float32:
    """Amounts of haematoxylin, eosin and what neither explains.

    Parameters
    ----------
    rgb : ndarray
        (..., 3) uint8.
    background : tuple of float
        Grey levels of glass.

    Returns
    -------
    ndarray
        (..., 3) float32: haematoxylin, eosin, residual, in optical density along each stain's unit vector. Not clipped:
        small negative values are noise, large ones other colours than these stains.
    """
    density = optical_density(rgb, background)
    return (density.reshape(-1, 3) @ _UNMIX).reshape(density.shape)


def _unmixing() -> Float32:
    stains = np.array([HAEMATOXYLIN, EOSIN], dtype=np.float64)
    stains /= np.linalg.norm(stains, axis=1, keepdims=True)
    residual = np.cross(stains[0], stains[1])
    matrix = np.vstack([stains, residual / np.linalg.norm(residual)])
    return np.linalg.inv(matrix).astype(np.float32)


_UNMIX = _unmixing()
