"""Tissue in an overview picture, by the light that it absorbs, measured against the glass of the same slide.

Stain absorbs green more than red or blue. What is grey (dust, shadows, the rims of bubbles, the coverslip's edge, black
borders), yellow (mounting medium) or brighter than the glass does not, however dark it is. The limits are fixed in
optical density, never fitted to the histogram, for a histogram can always be cut in two, on a blank slide too.

Fat is tissue. All that is left of a fat cell in a section is its membrane, two micrometres of faint pink around a hole
as clear as glass: so fine lines count at a fraction of the usual strength where they stand out from what lies around
them, and gaps inside of a net of such lines belong to it unless they are wider than a large fat cell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.colour import density_table
from napari_mmlnb.slides.decoded_tiles import block_mean
from napari_mmlnb.slides.glass import glass_colour
from napari_mmlnb.slides.pen import NARROWEST_BLACK_UM, black_mask, ink_mask

Mask = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
"""A picture of one channel; as a mask, 0 or 255."""

# In thousandths of optical density, so that whole numbers do and every machine finds the same mask.
_MILLI = 1000

# The strength of a stain is that of the most absorbed channel, or where it is less, this many times what the excess of
# green over the least absorbed one has over the share of it that grey things show too (their rims, by refraction).
# Pure haematoxylin, whose excess is the smallest of the stains, comes out at its full strength.
_GREY_EXCESS, _STAIN_EXCESS = 0.12, 0.57
# Red over green above which it is ink.
_INK_RED = 1.35
# The limit where all around is paler than twice that; the limit on the edge of strong stain; a line's over its ground.
_LEAST_STRENGTH, _EDGE_STRENGTH, _LINE_STRENGTH = 20, 35, 10
_SMOOTH_UM, _AROUND_UM = 4.0, 56.0
# Fat: half the width of a tear, and the share of the area up to which lines are a net.
_TORN_UM, _NET_SHARE = 24.0, 0.6
# Gaps: the side of a square that fits into none, and the largest elsewhere and in a net. What is darker is no gap.
_GAP_UM, _GAP_MM2, _NET_GAP_MM2 = 130.0, 0.01, 0.06
_DARK = 100
_SPECK_UM, _SPECK_MM2 = 56.0, 0.01
# Pen marks and specks are looked for at about this scale: they are wide, and it saves three quarters of the work.
_COARSE_UM = 16.0
_STRIP_PX = 300_000
_SMALLEST_PX = 3


def segment_tissue(rgb: RGB, um_per_px: float, known: Mask | None = None) -> Mask:
    """Tissue in an overview picture.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8.
    um_per_px : float
        Its scale.
    known : ndarray, optional
        (h, w) bool; where the picture is not the slide's, or was not scanned, it is not judged (False in the result).

    Returns
    -------
    ndarray
        (h, w) bool.
    """
    if min(rgb.shape[:2]) < _SMALLEST_PX:
        return np.zeros(rgb.shape[:2], dtype=np.bool_)
    glass = glass_colour(rgb if known is None else rgb[known])
    signs = _signs(rgb, glass, um_per_px)
    if known is not None:
        signs.stained[~known] = 0
    ink = _ink(rgb, glass, signs, um_per_px)
    mask = _whole(signs, cv2.bitwise_or(ink, signs.black), um_per_px)
    tissue = _without_specks(mask, um_per_px).astype(np.bool_)
    return tissue if known is None else tissue & known


@dataclass(frozen=True)
class _Signs:
    """What shows on each pixel, (h, w) uint8 each: enough stain; black, as unscanned areas are; any darkness at all."""

    stained: Bytes
    black: Bytes
    dark: Bytes


def _signs(rgb: RGB, glass: tuple[float, float, float], um_per_px: float) -> _Signs:
    """Worked out in strips that fit the processor's cache, in half the time; each sees enough of its neighbours."""
    signs = _Signs(*np.empty((3, *rgb.shape[:2]), dtype=np.uint8))
    sigma = max(_SMOOTH_UM / um_per_px, 0.5)
    reach = 2 * math.ceil(max(_AROUND_UM, NARROWEST_BLACK_UM) / um_per_px) + math.ceil(4 * sigma) + 2
    rows = max(reach, _STRIP_PX // rgb.shape[1])
    for top in range(0, rgb.shape[0], rows):
        bottom = min(top + rows, rgb.shape[0])
        above = min(top, reach)
        channels = cv2.split(cv2.GaussianBlur(rgb[top - above : bottom + reach], (0, 0), sigma))
        strength, dark = _stain_strength(channels, glass)
        strip = slice(above, above + bottom - top)
        signs.stained[top:bottom] = _above_limit(strength, um_per_px)[strip]
        signs.black[top:bottom] = black_mask(channels, um_per_px)[strip]
        signs.dark[top:bottom] = dark[strip]
    return signs


def _stain_strength(channels: Sequence[Bytes], glass: tuple[float, float, float]) -> tuple[Bytes, Bytes]:
    """How strongly each pixel is stained, thousandths of optical density up to 0.255, and whether it is dark at all."""
    tables = np.rint(_MILLI * density_table(glass)[0].T).astype(np.int16)
    red, green, blue = (cv2.LUT(channel, table) for channel, table in zip(channels, tables, strict=True))
    strongest = cv2.max(cv2.max(red, green), blue)
    excess = cv2.subtract(green, cv2.min(red, blue))
    scale = 1 / (_STAIN_EXCESS - _GREY_EXCESS)
    strength = cv2.min(strongest, cv2.addWeighted(excess, scale, strongest, -scale * _GREY_EXCESS, 0))
    no_ink = cv2.compare(red, cv2.addWeighted(green, _INK_RED, green, 0, _LINE_STRENGTH), cv2.CMP_LE)
    stain = cv2.bitwise_and(np.clip(strength, 0, 255).astype(np.uint8), no_ink)
    return np.asarray(stain, dtype=np.uint8), np.asarray(cv2.compare(strongest, _DARK, cv2.CMP_GT), dtype=np.uint8)


def _above_limit(strength: Bytes, um_per_px: float) -> Bytes:
    """Where stain is strong enough, (h, w) uint8, 0 or 255.

    Strongly stained tissue ends where it is a little more than blur; pale tissue gets a lower limit, half of the
    strongest nearby; and fine lines a still lower one, if they stand out.
    """
    window = np.ones((_odd(_AROUND_UM, um_per_px),) * 2, np.uint8)
    limits = np.clip(np.arange(256) / 2, _LEAST_STRENGTH, _EDGE_STRENGTH).astype(np.uint8)
    limit = cv2.LUT(cv2.dilate(strength, window), limits)
    lines = cv2.morphologyEx(strength, cv2.MORPH_TOPHAT, window)
    strong = cv2.compare(strength, limit, cv2.CMP_GT)
    fine = cv2.compare(lines, _LINE_STRENGTH, cv2.CMP_GT)
    faint = cv2.compare(cv2.add(strength, strength), limit, cv2.CMP_GT)
    either = cv2.bitwise_or(strong, cv2.bitwise_and(fine, faint))
    # A pixel of a line has another one beside it; one of noise stands alone.
    in_line = cv2.compare(cv2.blur(either, (3, 3)), 255 * 1.5 / 9, cv2.CMP_GT)
    return np.asarray(cv2.bitwise_or(strong, cv2.bitwise_and(either, in_line)), dtype=np.uint8)


def _ink(rgb: RGB, glass: tuple[float, float, float], signs: _Signs, um_per_px: float) -> Bytes:
    """Pen marks, (h, w) uint8, 0 or 255; looked for at a coarser scale, for they are wide."""
    step = max(1, round(_COARSE_UM / um_per_px))
    stained, black = (_shrunk(sign, step) > 0 for sign in (signs.stained, signs.black))
    ink = ink_mask(_shrunk(rgb, step), glass, stained, black, um_per_px * step)
    return _grown(cv2.compare(ink.view(np.uint8), 0, cv2.CMP_GT), step, signs.stained.shape)


def _whole(signs: _Signs, covered: Bytes, um_per_px: float) -> Bytes:
    """Tissue with its gaps filled, without what is covered, (h, w) uint8, 0 or 255.

    Fat shows as a net of lines that fill little of the area: there torn membranes are joined. What is covered by a pen,
    or was not scanned, bounds a gap as tissue does.
    """
    bare = cv2.bitwise_not(covered)
    mask = cv2.bitwise_and(signs.stained, bare)
    share = cv2.blur(mask, (_odd(_GAP_UM, um_per_px),) * 2)
    net = cv2.compare(share, 255 * _NET_SHARE, cv2.CMP_LT)
    joined = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _ellipse(_TORN_UM, um_per_px))
    mask = cv2.bitwise_or(mask, cv2.bitwise_and(joined, net))
    gaps = _gaps(mask, covered, net, signs.dark, um_per_px)
    return np.asarray(cv2.bitwise_or(mask, cv2.bitwise_and(gaps, bare)), dtype=np.uint8)


def _gaps(mask: Bytes, covered: Bytes, net: Bytes, dark: Bytes, um_per_px: float) -> Bytes:
    """The gaps inside of a mask that belong to the tissue, (h, w) uint8, 0 or 255.

    Those that are small; in a net of fat also some cells that run into each other; and those that are no glass, but
    tissue too dark and grey to show its stain. Clefts and the lumina of vessels are none of these.
    """
    empty = cv2.compare(cv2.bitwise_or(mask, covered), 0, cv2.CMP_EQ)
    count, labels = cv2.connectedComponents(empty, connectivity=4)  # what touches at a corner is two gaps
    # Every second pixel will do: a square one pixel wider than this leaves two by two, one of which is looked at.
    side = max(2, 2 * round(_GAP_UM / um_per_px / 2))
    wide = cv2.erode(empty, np.ones((side, side), np.uint8))[::2, ::2] > 0
    looked_at = labels[::2, ::2]
    kinds = (net[::2, ::2] & 2) | (dark[::2, ::2] & 1)
    sizes = np.bincount((4 * looked_at + kinds).ravel(), minlength=4 * count).reshape(count, 4)
    whole, in_net, in_dark = sizes.sum(axis=1), sizes[:, 2:].sum(axis=1), sizes[:, 1::2].sum(axis=1)
    in_fat = 2 * in_net > whole
    if cv2.countNonZero(covered):  # beside a pen or a border, half a gap may be hidden
        in_fat[labels[cv2.dilate(covered, np.ones((3, 3), np.uint8)) > 0]] = False
    fill = whole <= np.where(in_fat, _NET_GAP_MM2, _GAP_MM2) * 1e6 / (4 * um_per_px**2)
    fill[looked_at[wide]] = False
    fill |= 2 * in_dark > whole
    for outer in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        fill[outer] = False
    fill[0] = False
    return np.asarray(np.take(np.where(fill, np.uint8(255), np.uint8(0)), labels), dtype=np.uint8)


def _without_specks(mask: Bytes, um_per_px: float) -> Bytes:
    """The mask without pieces that are small, or nowhere wider than lint; pieces a pixel apart count as one."""
    step = max(1, round(_COARSE_UM / um_per_px))
    shares = _shrunk(mask, step)
    pieces, full = cv2.compare(shares, 0, cv2.CMP_GT), cv2.compare(shares, 255, cv2.CMP_EQ)
    side = _odd(_SPECK_UM, um_per_px * step)
    core = cv2.erode(full, np.ones((side, side), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(pieces, connectivity=8)
    keep = np.zeros(count, dtype=np.uint8)
    keep[labels[core > 0]] = 255
    keep[stats[:, cv2.CC_STAT_AREA] < _SPECK_MM2 * 1e6 / (um_per_px * step) ** 2] = 0
    keep[0] = 0
    kept: Bytes = np.asarray(np.take(keep, labels), dtype=np.uint8)
    return np.asarray(cv2.bitwise_and(mask, _grown(kept, step, mask.shape)), dtype=np.uint8)


def _shrunk(picture: Bytes, step: int) -> Bytes:
    """Means over squares of `step` pixels; beyond the edge the last ones go on."""
    below, right = -picture.shape[0] % step, -picture.shape[1] % step
    if below or right:
        picture = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)
    return block_mean(picture, (step, step))


def _grown(picture: Bytes, step: int, shape: tuple[int, ...]) -> Bytes:
    """The way back: each pixel `step` times as large, cut to a shape."""
    grown = cv2.resize(picture, None, fx=step, fy=step, interpolation=cv2.INTER_NEAREST)
    return np.ascontiguousarray(grown[: shape[0], : shape[1]])


def _odd(um: float, um_per_px: float) -> int:
    """A length as an odd number of pixels, at least 3."""
    return max(3, 2 * round((um / um_per_px - 1) / 2) + 1)


def _ellipse(radius_um: float, um_per_px: float) -> Bytes:
    side = 2 * round(radius_um / um_per_px) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)
