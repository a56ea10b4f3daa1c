"""Where things lie: micrometres from the slide's level-0 origin, (y, x), float64.

One convention holds for pixels, tiles, overlay, GeoJSON and report alike. A pixel is an area, not a point: pixel ``i``
of a grid with spacing ``s`` and origin ``o`` covers ``[o + i s, o + (i + 1) s)``. `PixelGrid` is that convention as an
object, and the only place where it is spelled out; whoever needs napari's convention (pixel centres) asks the grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Mpp:
    """Size of a level-0 pixel in micrometres, each axis on its own.

    Parameters
    ----------
    x, y : float
        Micrometres per pixel; finite and above zero.

    Raises
    ------
    ValueError
        If either is not a positive finite number.
    """

    x: float
    y: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) and v > 0 for v in (self.x, self.y)):
            raise ValueError(f"micrometres per pixel must be positive, not {self.x} x {self.y}")

    @property
    def yx(self) -> tuple[float, float]:
        """The same in the order of arrays."""
        return self.y, self.x

    @property
    def xy(self) -> tuple[float, float]:
        """The same in the order of `result.json`."""
        return self.x, self.y


@dataclass(frozen=True)
class Region:
    """An axis-aligned rectangle on the slide, in micrometres.

    Parameters
    ----------
    y, x : float
        The corner nearest to the slide's origin, micrometres.
    height, width : float
        Extent, micrometres, not negative.
    """

    y: float
    x: float
    height: float
    width: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in self.yxhw) or self.height < 0 or self.width < 0:
            raise ValueError(f"not a region: {self.yxhw}")

    @property
    def yxhw(self) -> tuple[float, float, float, float]:
        """As `result.json` writes it."""
        return self.y, self.x, self.height, self.width

    @property
    def centre(self) -> tuple[float, float]:
        """Middle, (y, x), micrometres."""
        return self.y + self.height / 2, self.x + self.width / 2

    @property
    def area_mm2(self) -> float:
        """Area, square millimetres."""
        return self.height * self.width * 1e-6

    @property
    def corners(self) -> Float64:
        """The four corners in drawing order, (4, 2), (y, x), micrometres."""
        y1, x1 = self.y + self.height, self.x + self.width
        return np.array([(self.y, self.x), (self.y, x1), (y1, x1), (y1, self.x)], dtype=np.float64)

    def contains(self, y: float, x: float) -> bool:
        """Whether a point lies inside; the far edges are outside."""
        return self.y <= y < self.y + self.height and self.x <= x < self.x + self.width

    def intersection(self, other: Region) -> Region | None:
        """What both cover, or None."""
        y0, x0 = max(self.y, other.y), max(self.x, other.x)
        y1 = min(self.y + self.height, other.y + other.height)
        x1 = min(self.x + self.width, other.x + other.width)
        return Region(y0, x0, y1 - y0, x1 - x0) if y1 > y0 and x1 > x0 else None


@dataclass(frozen=True)
class PixelGrid:
    """A regular raster lying on the slide: a pyramid level, a mask, a heatmap with one pixel a tile.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    spacing_um : tuple of float
        Size of one pixel, (y, x), micrometres.
    origin_um : tuple of float
        The outer corner of pixel (0, 0), (y, x), micrometres.
    """

    shape: tuple[int, int]
    spacing_um: tuple[float, float]
    origin_um: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if min(self.shape) < 0 or not all(math.isfinite(s) and s > 0 for s in self.spacing_um):
            raise ValueError(f"not a grid: shape {self.shape}, spacing {self.spacing_um}")

    def to_um(self, pixels: npt.ArrayLike) -> Float64:
        """Pixel edges, (..., 2) as (row, column), to micrometres (y, x)."""
        return np.asarray(pixels, dtype=np.float64) * self.spacing_um + self.origin_um

    def to_pixels(self, um: npt.ArrayLike) -> Float64:
        """Micrometres (y, x) to fractional pixel edges (row, column)."""
        return (np.asarray(um, dtype=np.float64) - self.origin_um) / self.spacing_um

    @property
    def region(self) -> Region:
        """The rectangle that the grid covers."""
        (h, w), (sy, sx), (oy, ox) = self.shape, self.spacing_um, self.origin_um
        return Region(oy, ox, h * sy, w * sx)

    def pixel_region(self, row: int, column: int) -> Region:
        """The rectangle that one pixel covers."""
        y, x = self.to_um((row, column))
        return Region(float(y), float(x), *self.spacing_um)

    @property
    def centre_of_first_um(self) -> tuple[float, float]:
        """Centre of pixel (0, 0): napari's ``translate``, whose pixels are points with an area around them."""
        return (
            self.origin_um[0] + self.spacing_um[0] / 2,
            self.origin_um[1] + self.spacing_um[1] / 2,
        )

    def window(self, region: Region) -> tuple[slice, slice]:
        """The pixels that a region touches, clipped to the grid."""
        start = self.to_pixels((region.y, region.x))
        stop = self.to_pixels((region.y + region.height, region.x + region.width))
        rows, columns = (
            slice(int(np.clip(math.floor(a + 1e-9), 0, n)), int(np.clip(math.ceil(b - 1e-9), 0, n)))
            for a, b, n in zip(start, stop, self.shape, strict=True)
        )
        return rows, columns

    def crop(self, rows: slice, columns: slice) -> PixelGrid:
        """The grid of a window of this one."""
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        y, x = self.to_um((rows.start, columns.start))
        return PixelGrid(shape, self.spacing_um, (float(y), float(x)))


def scanned_grid(shape: tuple[int, int], mpp: Mpp, bounds_px: tuple[int, int, int, int] | None) -> PixelGrid:
    """Level 0 without the margin that was never scanned: the pixels as programs count them that leave it out.

    QuPath does, unless it is told not to: coordinates that it writes or reads begin at the corner of this grid.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the whole canvas.
    mpp : Mpp
        Size of its pixels.
    bounds_px : tuple of int or None
        (y, x, height, width) of the part that was scanned; None for all of it.
    """
    canvas = PixelGrid(shape, mpp.yx)
    if bounds_px is None:
        return canvas
    y, x, height, width = bounds_px
    return canvas.crop(slice(y, y + height), slice(x, x + width))


def iter_windows(shape: tuple[int, int], size: int) -> Iterator[tuple[slice, slice]]:
    """Squares of `size` pixels that cover `shape` row by row, the last ones cut at the edge."""
    for y in range(0, shape[0], size):
        for x in range(0, shape[1], size):
            yield slice(y, min(y + size, shape[0])), slice(x, min(x + size, shape[1]))
