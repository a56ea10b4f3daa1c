"""The colours of attention: one fixed scale a model, the same in the viewer and in the report.

Haematoxylin and eosin leave a slide pink and violet, so the map runs from nothing (transparent) over green to yellow:
away from the stains on the blue-yellow axis, which people with a red-green deficiency see as others do, and upwards in
lightness, which everybody sees and which survives a grey print. The steps are even to the eye: the map is laid out so
that the colour seen *over tissue* moves at a constant speed through OKLab. Values are never ranked or stretched to the
slide at hand; a featureless slide stays featureless.

References
----------
B. Ottosson, "A perceptual color space for image processing" (OKLab), 2020.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

TISSUE_RGB = (0.80, 0.62, 0.75)
"""Mean colour of an H&E section, sRGB 0 to 1: what the map is usually seen over."""

# Lightness, a, b of OKLab and opacity: the corners of the path, from low to high attention.
_PATH: Float64 = np.array(
    [
        (0.79, -0.080, -0.020, 0.00),
        (0.82, -0.125, 0.045, 0.40),
        (0.87, -0.120, 0.120, 0.62),
        (0.955, -0.055, 0.185, 0.82),
    ]
)

_LMS_OF_LAB: Float64 = np.array(
    [
        (1.0, 0.3963377774, 0.2158037573),
        (1.0, -0.1055613458, -0.0638541728),
        (1.0, -0.0894841775, -1.2914855480),
    ]
)
_RGB_OF_LMS: Float64 = np.array(
    [
        (4.0767416621, -3.3077115913, 0.2309699292),
        (-1.2684380046, 2.6097574011, -0.3413193965),
        (-0.0041960863, -0.7034186147, 1.7076147010),
    ]
)


def srgb_to_oklab(srgb: npt.ArrayLike) -> Float64:
    """SRGB in 0 to 1, (..., 3), to OKLab, (..., 3)."""
    values = np.asarray(srgb, dtype=np.float64)
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    lms = np.cbrt(linear @ np.linalg.inv(_RGB_OF_LMS).T)
    return np.asarray(lms @ np.linalg.inv(_LMS_OF_LAB).T)


def oklab_to_srgb(lab: npt.ArrayLike) -> Float64:
    """OKLab, (..., 3), to sRGB in 0 to 1, (..., 3), clipped to what a screen can show."""
    linear = (np.asarray(lab, dtype=np.float64) @ _LMS_OF_LAB.T) ** 3 @ _RGB_OF_LMS.T
    linear = np.clip(linear, 0.0, 1.0)
    return np.asarray(np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055))


def blend(rgba: npt.ArrayLike, under: npt.ArrayLike) -> Float64:
    """What is seen when `rgba` (..., 4) lies over the opaque colours `under` (..., 3); all 0 to 1."""
    over = np.asarray(rgba, dtype=np.float64)
    alpha = over[..., 3:]
    return np.asarray(over[..., :3] * alpha + np.asarray(under, dtype=np.float64) * (1 - alpha))


@cache
def _table(size: int) -> Float64:
    position = np.linspace(0, 1, len(_PATH))
    fine = np.linspace(0, 1, 4001)
    path = np.stack([np.interp(fine, position, column) for column in _PATH.T], axis=1)
    rgba = np.concatenate([oklab_to_srgb(path[:, :3]), path[:, 3:]], axis=1)
    seen = srgb_to_oklab(blend(rgba, TISSUE_RGB))
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(seen, axis=0), axis=1))])
    even = np.interp(np.linspace(0, length[-1], size), length, fine)
    table = np.stack([np.interp(even, fine, column) for column in rgba.T], axis=1)
    table.setflags(write=False)
    return table


def colour_table(size: int = 256) -> Float64:
    """The map as evenly spaced control points, for whoever builds its own colour map (napari's `Colormap`).

    Parameters
    ----------
    size : int
        How many, at least 2.

    Returns
    -------
    ndarray
        (size, 4) RGBA, 0 to 1, not premultiplied; read only. The first is fully transparent.
    """
    return _table(size)


def attention_rgba(attention: npt.NDArray[np.floating], limits: tuple[float, float]) -> npt.NDArray[np.uint8]:
    """Colour attention on the model's fixed scale.

    Parameters
    ----------
    attention : ndarray
        Any shape, in units of the slide's mean (1 is average). NaN means that there is no tile.
    limits : tuple of float
        Lower and upper end of the scale. Values beyond them take the colour of the end.

    Returns
    -------
    ndarray
        (..., 4) uint8 RGBA, not premultiplied. NaN is fully transparent.

    Raises
    ------
    ValueError
        If the limits do not ascend.
    """
    low, high = limits
    if not high > low:
        raise ValueError(f"the limits of a colour scale must ascend, not {limits}")
    there = np.isfinite(attention)
    part = np.clip((np.where(there, attention, low) - low) / (high - low), 0.0, 1.0)
    table = np.round(colour_table(256) * 255).astype(np.uint8)
    rgba = table[np.round(part * 255).astype(np.intp)]
    rgba[~there] = 0
    return rgba
