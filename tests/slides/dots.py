"""A dot drawn at a known place, and where it is found again."""

from __future__ import annotations

import numpy as np

from napari_mmlnb.geometry import PixelGrid


def dot_picture(height: int, width: int, centre: tuple[float, float], sigma_px: float = 9.0):
    """White with one dark, smooth dot; `centre` in pixel edges."""
    rows, columns = (np.arange(n) + 0.5 - c for n, c in zip((height, width), centre, strict=True))
    dark = 200 * np.exp(-(rows[:, None] ** 2 + columns[None] ** 2) / (2 * sigma_px**2))
    return np.repeat(np.rint(255 - dark)[..., None], 3, axis=-1).astype(np.uint8)


def found_um(rgb, grid: PixelGrid):
    """Where the darkness of a picture has its centre, (y, x) micrometres."""
    dark = 255.0 - rgb[..., 0].astype(np.float64)
    dark[dark < 3] = 0
    centre = [
        float((dark.sum(axis=1 - axis) * (np.arange(dark.shape[axis]) + 0.5)).sum() / dark.sum()) for axis in (0, 1)
    ]
    return grid.to_um(centre)
