"""Texture of what lies between the nuclei: how busy it is, and whether its fibres run one way.

The structure tensor (Foerstner and Guelch 1987; Bigun and Granlund 1987) of the optical density, with the pixels of
nuclei left out of the averages, so that a row of nuclei is not taken for a fibre.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from napari_mmlnb.describe.stains import Float32, Mask, pixels, smooth


@dataclass(frozen=True)
class Texture:
    """Texture at each pixel.

    Parameters
    ----------
    energy : ndarray
        (h, w) float32, root of the mean squared gradient, OD per um, over `fine` um.
    coherence : ndarray
        (h, w) float32, 0 (no direction) to 1 (one direction), over `fine` um.
    coarse_coherence : ndarray
        (h, w) float32, the same over `coarse` um: bundles keep their direction that far, a felt does not.
    """

    energy: Float32
    coherence: Float32
    coarse_coherence: Float32


def measure_texture(density: Float32, include: Mask, fine_um: float = 4.0, coarse_um: float = 12.0) -> Texture:
    """Structure tensor of an optical density.

    Parameters
    ----------
    density : ndarray
        (h, w) float32, OD at the working scale.
    include : ndarray
        (h, w) bool, pixels that count.
    fine_um, coarse_um : float
        Standard deviations of the two averages, um.
    """
    softened = smooth(density, 0.5)
    step = 1.0 / (8.0 / pixels(1.0))  # Sobel sums eight differences over two pixels: to OD per um
    dx = cv2.Sobel(softened, cv2.CV_32F, 1, 0, ksize=3) * step
    dy = cv2.Sobel(softened, cv2.CV_32F, 0, 1, ksize=3) * step
    weight = include.astype(np.float32)
    products = np.stack([dx * dx, dy * dy, dx * dy, np.ones_like(dx)], axis=2) * weight[..., None]
    energy, coherence = _energy_and_coherence(products, fine_um)
    _, coarse = _energy_and_coherence(products, coarse_um)
    return Texture(energy, coherence, coarse)


def _energy_and_coherence(products: Float32, sigma_um: float) -> tuple[Float32, Float32]:
    averaged = smooth(products, sigma_um)
    xx, yy, xy, weight = (averaged[..., i] for i in range(4))
    weight = np.maximum(weight, 1e-3)
    trace = (xx + yy) / weight
    spread = np.sqrt((xx - yy) ** 2 + 4 * xy * xy) / weight
    coherence = spread / np.maximum(trace, 1e-8)
    return np.sqrt(np.maximum(trace, 0)).astype(np.float32), coherence.astype(np.float32)
