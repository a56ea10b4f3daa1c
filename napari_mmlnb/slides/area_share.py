"""Shares of area: a mask seen through the pixels of another grid, exact for any two scales and origins."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.geometry import Float64, PixelGrid

# Beyond this many pixels their count may not fit 32 bits.
_MANY_PX = 2**31


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
    depth = cv2.CV_32S if mask.size < _MANY_PX else cv2.CV_64F
    integral = cv2.integral(np.ascontiguousarray(mask).view(np.uint8), sdepth=depth)
    for axis in (0, 1):
        integral = _between(integral, _edges(grid, target, axis), axis)
    counts = np.diff(np.diff(integral, axis=0), axis=1)
    share = counts * (math.prod(grid.spacing_um) / math.prod(target.spacing_um))
    return np.clip(share, 0.0, 1.0)


def _edges(grid: PixelGrid, target: PixelGrid, axis: int) -> Float64:
    """The edges of the target's pixels along an axis, in pixels of the grid, held inside of it."""
    edges = target.origin_um[axis] + np.arange(target.shape[axis] + 1) * target.spacing_um[axis]
    return np.clip((edges - grid.origin_um[axis]) / grid.spacing_um[axis], 0, grid.shape[axis])


def _between(values: npt.NDArray[np.number], at: Float64, axis: int) -> Float64:
    """Values at fractional indices along an axis, linear between whole ones."""
    low = np.minimum(at.astype(np.intp), values.shape[axis] - 2)
    weight = np.expand_dims(at - low, 1 - axis)
    between: Float64 = np.take(values, low, axis) * (1 - weight) + np.take(values, low + 1, axis) * weight
    return between
