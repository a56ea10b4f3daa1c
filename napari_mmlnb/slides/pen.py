"""Pen marks and unscanned black: what takes light away on a slide and is no tissue.

The stains of tissue absorb green most; pens absorb otherwise. Blue and green ink take more red than green, more than
haematoxylin ever does; black takes all alike. Red ink is the hard one, for it absorbs as blood does, a little more of
the blue than eosin. Only its strength and its place tell it: it is denser than a section of blood or muscle a few
micrometres thick, and a good part of its outline runs over empty glass. So a pale red stroke is taken for tissue, one
over tissue wherever it is not so dense that no section could be, and a thick clot of blood on bare glass for ink.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.colour import optical_density

Mask = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

# What a pixel may be, by its colour.
_INK, _OPAQUE_RED, _REDDISH, _DENSE_RED = 1, 2, 4, 8
_COLOUR_SHIFT = 3

# A stroke is hundreds of micrometres wide; what is narrower than this is no pen.
_NARROWEST_UM = 32.0
# Half the width of pale streaks within a stroke.
_STREAK_UM = 64.0
# Around ink, where it thins out and its colour is that of stain.
_RIM_UM = 16.0

_BLACK_LEVEL = 50
NARROWEST_BLACK_UM = 100.0
"""A black area that was not scanned is at least so wide, micrometres."""
_SMALLEST_RED_MM2 = 0.004
_OPAQUE_SHARE, _GLASS_SHARE = 0.1, 0.3
_RED_RIM_UM, _PALE_RED_UM = 64.0, 32.0


def ink_mask(rgb: RGB, glass: tuple[float, float, float], stained: Mask, black: Mask, um_per_px: float) -> Mask:
    """Where a pen covers the slide, with the rim in which ink thins out.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8.
    glass : tuple of float
        Grey levels of empty glass in red, green and blue.
    stained : ndarray
        (h, w) bool, what looks like tissue, ink included; the rest is glass.
    black : ndarray
        (h, w) bool, what was not scanned.
    um_per_px : float
        Scale of all three.

    Returns
    -------
    ndarray
        (h, w) bool.
    """
    kinds = _kinds(rgb, glass)
    kinds[black] = 0
    core = _opened(kinds & np.uint8(_INK | _OPAQUE_RED), um_per_px)
    if cv2.countNonZero(kinds & _DENSE_RED):
        core |= _red_strokes(kinds, stained, um_per_px)
    if not cv2.countNonZero(core):
        return np.zeros(stained.shape, dtype=np.bool_)
    core = cv2.morphologyEx(core, cv2.MORPH_CLOSE, _disc(_STREAK_UM, um_per_px))
    return cv2.dilate(core, _disc(_RIM_UM, um_per_px)).astype(np.bool_)


def black_mask(channels: Sequence[Bytes], um_per_px: float) -> Bytes:
    """Where a scanner left black what it did not scan, and the pixels at its border; dust is smaller than that.

    Parameters
    ----------
    channels : sequence of ndarray
        Red, green and blue, (h, w) uint8 each.
    um_per_px : float
        Their scale.

    Returns
    -------
    ndarray
        (h, w) uint8, 0 or 255.
    """
    red, green, blue = channels
    black = cv2.compare(cv2.max(cv2.max(red, green), blue), _BLACK_LEVEL, cv2.CMP_LT)
    if not cv2.countNonZero(black):
        return np.asarray(black, dtype=np.uint8)
    side = max(2, round(NARROWEST_BLACK_UM / um_per_px))
    wide = cv2.morphologyEx(black, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    return np.asarray(cv2.dilate(wide, np.ones((3, 3), np.uint8)), dtype=np.uint8)


def _kinds(rgb: RGB, glass: tuple[float, float, float]) -> Bytes:
    """What each pixel may be, by its colour, (h, w) uint8 of flags; looked up, for few colours need telling apart."""
    red, green, blue = (channel >> _COLOUR_SHIFT for channel in cv2.split(rgb))
    index = red.astype(np.uint16) << 10 | green.astype(np.uint16) << 5 | blue
    return np.take(_kinds_of_colours(glass), index)


@lru_cache(maxsize=16)
def _kinds_of_colours(glass: tuple[float, float, float]) -> Bytes:
    """Flags of each of 32 x 32 x 32 colours, by optical density against the glass, (32768,) uint8."""
    steps = np.arange(32, dtype=np.uint8) << _COLOUR_SHIFT | 1 << _COLOUR_SHIFT - 1
    colours = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    red, green, blue = optical_density(colours, glass).T
    strongest, weakest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    blues = (red > 0.3) & ((red > 1.35 * green) | (red > 1.15 * green + 0.06))
    blues |= (red > 0.75) & (red > 1.03 * green) & (blue < 0.6 * red)
    greens = (red > 0.25) & (red > 1.25 * green) & (blue > 0.8 * green)
    blacks = (weakest > 0.9) | (weakest > 0.6) & (strongest - weakest < 0.2 * strongest)
    opaque = (green > 0.95) & (blue > 0.6 * green) & (red < 0.6 * green)
    reddish = (green > 0.25) & (blue > 0.65 * green) & (red < 0.35 * green)
    kinds = _INK * (blues | greens | blacks) + _OPAQUE_RED * opaque + _REDDISH * (reddish | opaque)
    return (kinds + _DENSE_RED * (reddish & (green > 0.52))).astype(np.uint8)


def _red_strokes(kinds: Bytes, stained: Mask, um_per_px: float) -> Bytes:
    """Red ink: dense, and opaque in places or with a good part of its surroundings glass; and its paler rim."""
    streaky = _opened(kinds & np.uint8(_DENSE_RED | _OPAQUE_RED), um_per_px)
    dense = cv2.morphologyEx(streaky, cv2.MORPH_CLOSE, _disc(_STREAK_UM, um_per_px))
    reddish = _opened(kinds & np.uint8(_REDDISH), um_per_px)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(dense)
    opaque = np.bincount(labels[(kinds & _OPAQUE_RED) > 0], minlength=count)
    rim, beside = _disc(_RED_RIM_UM, um_per_px), _disc(_PALE_RED_UM, um_per_px)
    margin = max(rim.shape[0], beside.shape[0])
    found = np.zeros_like(kinds)
    for label in range(1, count):
        left, top, width, height, area = stats[label].tolist()
        if area < _SMALLEST_RED_MM2 * 1e6 / um_per_px**2:
            continue
        rows = slice(max(top - margin, 0), top + height + margin)
        columns = slice(max(left - margin, 0), left + width + margin)
        one = (labels[rows, columns] == label).astype(np.uint8)
        around = cv2.dilate(one, rim) > one
        glass = np.count_nonzero(around & ~stained[rows, columns])
        if opaque[label] >= _OPAQUE_SHARE * area or glass >= _GLASS_SHARE * np.count_nonzero(around):
            found[rows, columns] |= one | (cv2.dilate(one, beside) & reddish[rows, columns])
    return found


def _opened(flags: Bytes, um_per_px: float) -> Bytes:
    """Where there are flags, (h, w) uint8, 0 or 1, without what is narrower than a stroke."""
    mask = cv2.min(flags, 1)
    if not cv2.countNonZero(mask):
        return np.asarray(mask, dtype=np.uint8)
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, _disc(_NARROWEST_UM / 2, um_per_px)), dtype=np.uint8)


def _disc(radius_um: float, um_per_px: float) -> npt.NDArray[np.uint8]:
    side = 2 * max(1, math.floor(radius_um / um_per_px + 0.5)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)
