"""The colour of empty glass on a slide: what light is measured against.

Glass is the brightest thing that is common on a slide, and of one colour; whatever lies on it takes light away. It need
not be white: scanners leave it grey, yellowish or bluish. It is never pink or violet, which is how pale tissue looks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_mmlnb.slides.backends.base import RGB

USUAL = (243.0, 243.0, 243.0)
"""Taken where a picture shows hardly any glass."""

_DARKEST = 110
# How far blue may lie below green (yellow glass), red or blue above it, and both together: that is how stain looks.
_LARGEST_YELLOW = 60
_LARGEST_TINT = 20
_LARGEST_PINK = 18
# What is glass is of one colour: most of what is as bright in green is about as bright in red and blue.
_NEAR = 4
_SPREAD = 8

_SMALLEST_SHARE = 0.005
# Above this grey level there may be no glass at all, but the white that fills what was never scanned.
_FILL_LEVEL = 254
_SHARE_BESIDE_FILL = 0.05

_LOOKED_AT_PX = 60_000


def glass_colour(pixels: RGB) -> tuple[float, float, float]:
    """The colour of empty glass.

    Parameters
    ----------
    pixels : ndarray
        (..., 3) uint8, an overview of a slide or the part of it that was scanned.

    Returns
    -------
    tuple of float
        Red, green, blue; `USUAL` where the picture shows hardly any glass.
    """
    flat = pixels.reshape(-1, 3)
    flat = np.ascontiguousarray(flat[:: max(1, len(flat) // _LOOKED_AT_PX)])
    if not len(flat):
        return USUAL
    candidates = flat[_may_be_glass(flat)]
    levels = np.bincount(candidates[:, 1], minlength=256)
    level = _brightest_common(levels, len(flat))
    if level is None:
        return USUAL
    near = candidates[np.abs(candidates[:, 1].astype(np.int16) - level) <= _NEAR]
    colour = np.array([np.bincount(near[:, channel], minlength=256).argmax() for channel in range(3)], dtype=np.int16)
    if _alike(near, colour).mean() < 0.5:
        return USUAL
    # What noise leaves of pale stain may look like glass; but not all that is about as pale.
    mean = flat[_alike(flat, colour)].mean(axis=0)
    return (float(colour[0]), float(colour[1]), float(colour[2])) if _may_be_glass(mean[None]).all() else USUAL


def _alike(flat: RGB, colour: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    alike: npt.NDArray[np.bool_] = (np.abs(flat - colour) <= _SPREAD).all(axis=1)
    return alike


def _may_be_glass(flat: npt.NDArray[np.uint8 | np.float64]) -> npt.NDArray[np.bool_]:
    red, green, blue = flat.astype(np.float32).T
    may: npt.NDArray[np.bool_] = np.minimum(np.minimum(red, green), blue) >= _DARKEST
    may &= (red - green <= _LARGEST_TINT) & (blue - green <= _LARGEST_TINT)
    may &= (red + blue - 2 * green <= _LARGEST_PINK) & (green - blue <= _LARGEST_YELLOW)
    return may


def _brightest_common(levels: npt.NDArray[np.intp], total: int) -> int | None:
    """The highest peak of a histogram, by grey level, that stands for enough of the picture."""
    smooth = np.convolve(levels, np.ones(5), mode="same")
    peaks = [
        level
        for level in range(256)
        if smooth[level] >= max(_SMALLEST_SHARE * total, smooth[max(level - 3, 0) : level + 4].max())
    ]
    scanned = [level for level in peaks if level < _FILL_LEVEL - 1 and smooth[level] >= _SHARE_BESIDE_FILL * total]
    filled = bool(peaks) and levels[_FILL_LEVEL:].sum() >= _SMALLEST_SHARE * total
    if filled and scanned:
        return scanned[-1]
    return peaks[-1] if peaks else None
