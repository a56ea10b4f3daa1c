"""Shares of area: a mask seen through the pixels of another grid, exact for any two scales and origins."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.geometry import Float64, PixelGrid

# Pixels whose integral is made at a time: it stays in the processor's cache and fits 32 bits.
_STRIP_PX = 2**18


def area_share(mask: npt.NDArray[np.bool_], grid: PixelGrid, target: PixelGrid) -> Float64:
    """How much of each pixel of `target` a mask covers.

    The integral of a mask over a rectangle is a difference of four values of its integral image, and between pixel
    edges that image is bilinear, since a mask is constant inside of a pixel. So rectangles that cut pixels are exact
    too, and the cost hardly depends on how many there are.

    Parameters
    ----------
    mask : ndarray
        (h, w) bool.
    grid : PixelGrid
        Where the mask lies.
    target : PixelGrid
        The pixels asked for; where they reach beyond the mask there is nothing.

    Returns
    -------
    ndarray
        Of `target.shape`, float64, 0 to 1.
    """
    if not mask.size or not math.prod(target.shape):
        return np.zeros(target.shape)
    integral = _integral_at(mask, *(_edges(grid, target, axis) for axis in (0, 1)))
    counts = np.diff(np.diff(integral, axis=0), axis=1)
    share = counts * (math.prod(grid.spacing_um) / math.prod(target.spacing_um))
    return np.clip(share, 0.0, 1.0)


def _edges(grid: PixelGrid, target: PixelGrid, axis: int) -> Float64:
    """The edges of the target's pixels along an axis, in pixels of the grid, held inside of it."""
    edges = target.origin_um[axis] + np.arange(target.shape[axis] + 1) * target.spacing_um[axis]
    return np.clip((edges - grid.origin_um[axis]) / grid.spacing_um[axis], 0, grid.shape[axis])


def _integral_at(mask: npt.NDArray[np.bool_], ys: Float64, xs: Float64) -> Float64:
    """The integral of a mask from its corner to each of these edges, ascending, in its pixels, (ys, xs) float64."""
    below, y_weight = _between(ys, mask.shape[0])
    right, x_weight = _between(xs, mask.shape[1])
    out = np.empty((len(ys), len(xs)))
    above = np.zeros(len(xs))
    rows = max(1, _STRIP_PX // mask.shape[1])
    for top in range(0, mask.shape[0], rows):
        strip = np.ascontiguousarray(mask[top : top + rows]).view(np.uint8)
        integral = cv2.integral(strip, sdepth=cv2.CV_32S)
        first, last = np.searchsorted(below, (top, top + rows))
        local = below[first:last] - top
        weight = y_weight[first:last, None]
        upper, lower = (_columns(integral[at], right, x_weight) for at in (local, local + 1))
        out[first:last] = above + upper * (1 - weight) + lower * weight
        above += _columns(integral[-1:], right, x_weight)[0]
    return out


def _columns(rows: npt.NDArray[np.int32], right: npt.NDArray[np.intp], weight: Float64) -> Float64:
    """Values of rows at fractional columns, linear between whole ones."""
    values: Float64 = rows[:, right] * (1 - weight) + rows[:, right + 1] * weight
    return values


def _between(at: Float64, count: int) -> tuple[npt.NDArray[np.intp], Float64]:
    """The pixel in which each edge lies, the last one's end included, and how far into it."""
    low = np.minimum(at.astype(np.intp), count - 1)
    return low, at - low
