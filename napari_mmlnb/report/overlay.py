"""Pictures of the whole slide for the report: thumbnail, tissue outline, attention, tiles that could not be read.

Every raster is laid on the thumbnail through its `PixelGrid`; tiles keep their hard edges, for a smoothed map would
show attention where nothing was looked at.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.report.colour_map import attention_rgba
from napari_mmlnb.report.outline import mask_polygons
from napari_mmlnb.result import RunMaps, TileState

RGB = npt.NDArray[np.uint8]

OUTLINE_RGB = (20, 60, 120)
_HATCH_DARK, _HATCH_LIGHT = (25, 25, 25), (245, 245, 245)
_HATCH_PERIOD_PX = 10
_SUBPIXEL_BITS = 4


def enlarged(maps: RunMaps, at_least_px: int = 800) -> tuple[RGB, PixelGrid]:
    """The thumbnail, each pixel repeated until lines drawn on it are fine enough for print.

    Parameters
    ----------
    maps : RunMaps
        Of the run.
    at_least_px : int
        Longer side of the answer, at least.

    Returns
    -------
    rgb : ndarray
        (h, w, 3) uint8, a copy.
    grid : PixelGrid
        Where it lies: the same rectangle as the thumbnail's.
    """
    height, width = maps.thumbnail.shape[:2]
    times = max(1, math.ceil(at_least_px / max(height, width)))
    rgb = np.repeat(np.repeat(maps.thumbnail, times, axis=0), times, axis=1)
    grid = maps.thumbnail_grid
    spacing = (grid.spacing_um[0] / times, grid.spacing_um[1] / times)
    return rgb, PixelGrid((height * times, width * times), spacing, grid.origin_um)


def sample(
    values: npt.NDArray[np.generic], grid: PixelGrid, target: PixelGrid, outside: float
) -> npt.NDArray[np.generic]:
    """What lies under the centre of each pixel of another grid: nearest, never mixed.

    Parameters
    ----------
    values : ndarray
        (rows, columns) on `grid`.
    grid, target : PixelGrid
        Where the values lie, and where they are wanted.
    outside : float
        The answer beyond `grid`.

    Returns
    -------
    ndarray
        Of the shape of `target` and the type of `values`.
    """
    rows, columns = (_cells(grid, target, axis) for axis in (0, 1))
    answer = np.full(target.shape, outside, dtype=values.dtype)
    row_in, column_in = (rows >= 0) & (rows < grid.shape[0]), (columns >= 0) & (columns < grid.shape[1])
    answer[np.ix_(row_in, column_in)] = values[np.ix_(rows[row_in], columns[column_in])]
    return answer


def _cells(grid: PixelGrid, target: PixelGrid, axis: int) -> npt.NDArray[np.intp]:
    centres = (np.arange(target.shape[axis]) + 0.5) * target.spacing_um[axis] + target.origin_um[axis]
    return np.asarray(np.floor((centres - grid.origin_um[axis]) / grid.spacing_um[axis]), dtype=np.intp)


def draw_slide(maps: RunMaps) -> RGB:
    """Thumbnail with the tissue outline and, hatched, what could not be read; no attention."""
    rgb, grid = enlarged(maps)
    _hatch(rgb, grid, maps)
    _outline(rgb, grid, maps)
    return rgb


def draw_attention(maps: RunMaps) -> RGB:
    """Thumbnail under the attention on the model's fixed scale, with outline and hatching as in `draw_slide`."""
    rgb, grid = enlarged(maps)
    attention = sample(maps.attention, maps.grid, grid, np.nan).astype(np.float32)
    rgba = attention_rgba(attention, maps.attention_limits)
    alpha = rgba[..., 3:].astype(np.float32) / 255
    rgb = np.round(rgba[..., :3] * alpha + rgb * (1 - alpha)).astype(np.uint8)
    _hatch(rgb, grid, maps)
    _outline(rgb, grid, maps)
    return rgb


def _hatch(rgb: RGB, grid: PixelGrid, maps: RunMaps) -> None:
    lost = sample(maps.state, maps.grid, grid, TileState.NO_TISSUE) == TileState.UNREADABLE
    y, x = np.nonzero(lost)
    dark = (y + x) % _HATCH_PERIOD_PX < _HATCH_PERIOD_PX // 2
    rgb[y, x] = np.where(dark[:, None], _HATCH_DARK, _HATCH_LIGHT).astype(np.uint8)


def _outline(rgb: RGB, grid: PixelGrid, maps: RunMaps) -> None:
    # OpenCV draws to pixel centres, our rings run on pixel edges: half a pixel lies between the two.
    factor = 1 << _SUBPIXEL_BITS
    for polygon in mask_polygons(maps.tissue, maps.tissue_grid):
        rings = [
            np.round((grid.to_pixels(ring)[:-1, ::-1] - 0.5) * factor).astype(np.int32)
            for ring in (polygon.exterior, *polygon.holes)
        ]
        cv2.polylines(
            rgb, rings, isClosed=True, color=OUTLINE_RGB, thickness=2, lineType=cv2.LINE_AA, shift=_SUBPIXEL_BITS
        )
