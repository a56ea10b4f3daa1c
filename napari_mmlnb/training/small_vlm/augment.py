"""Other stains, scanners and orientations of the same tile, so that the model learns tissue and not colour."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.training.small_vlm.tiles import RGB

STRENGTH = 0.3
"""Spread (log) of how dark the whole tile is."""
CHANNEL = 0.22
"""Spread (log) of each colour's own strength."""
MIXTURE = 0.08
"""Spread of what the colours lend to one another: another dye's spectrum."""
LAMP = 0.02

_DENSITY = -np.log((np.arange(256, dtype=np.float32) + 1) / 256)

Floats = npt.NDArray[np.float32]


def restained(rgb: RGB, random: np.random.Generator) -> Floats:
    """A tile under another stain and scanner.

    A linear map of the optical densities, since dyes absorb and their mixtures are linear there, and another lamp.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8.
    random : Generator
        What draws.

    Returns
    -------
    ndarray
        (h, w, 3) float32, -1 to 1, as the model's processor scales tiles.
    """
    own = np.exp(random.normal(0, CHANNEL, 3) + random.normal(0, STRENGTH))
    mixture = np.diag(own) + random.normal(0, MIXTURE, (3, 3)) * own.mean()
    density = cv2.transform(cv2.LUT(rgb, _DENSITY), -mixture.astype(np.float32))
    seen: Floats = cv2.exp(np.minimum(density, 0, out=density))
    lamp = 2 * (1 + random.normal(0, LAMP, 3)).astype(np.float32)
    np.multiply(seen, lamp, out=seen)
    seen -= 1
    np.minimum(seen, 1, out=seen)
    return seen


def plain(rgb: RGB) -> Floats:
    """A tile, or several, as it is: uint8 to float32, -1 to 1."""
    return rgb.astype(np.float32) / 127.5 - 1


def turned(array: npt.NDArray[np.generic], way: int) -> npt.NDArray[np.generic]:
    """An array (h, w, C) turned and mirrored, one of eight ways."""
    quarter = np.rot90(array, way % 4)
    return quarter[:, ::-1] if way >= 4 else quarter
