"""Square tiles over the tissue, in micrometres, anchored at the slide's origin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_mmlnb.geometry import Float64, PixelGrid, Region
from napari_mmlnb.slides.area_share import area_share
from napari_mmlnb.slides.tissue import TissueMask

# Of a share, and of a number of tiles: less is what floating point leaves where the edges of pixels and tiles coincide.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class TileGrid:
    """The tiles of a slide that hold tissue.

    Parameters
    ----------
    grid : PixelGrid
        One pixel a tile, over the whole slide; origin (0, 0), so that a small change of the mask moves no tile.
    cells : ndarray
        (n, 2) int32, row and column in `grid` of each tile that is used, row by row.
    tile_px : int
        Side of a tile, pixels.
    um_per_px : float
        Scale of a tile, micrometres per pixel, both axes.
    """

    grid: PixelGrid
    cells: npt.NDArray[np.int32]
    tile_px: int
    um_per_px: float

    def __len__(self) -> int:
        return len(self.cells)

    def region(self, index: int) -> Region:
        """The rectangle that tile `index` covers."""
        row, column = self.cells[index]
        return self.grid.pixel_region(int(row), int(column))

    def pixels(self, index: int) -> PixelGrid:
        """The pixels of tile `index`."""
        region = self.region(index)
        return PixelGrid((self.tile_px, self.tile_px), (self.um_per_px, self.um_per_px), (region.y, region.x))


def build_tile_grid(
    tissue: TissueMask, tile_px: int = 224, um_per_px: float = 0.5, min_tissue: float = 0.5
) -> TileGrid:
    """Lay tiles over the slide and keep those with enough tissue.

    Parameters
    ----------
    tissue : TissueMask
        Where tissue is; its grid covers the slide.
    tile_px : int
        Side of a tile, pixels.
    um_per_px : float
        Micrometres per pixel of a tile.
    min_tissue : float
        Share of a tile's area, 0 to 1, that must be tissue; what lies beyond the slide counts as none. A tile with no
        tissue at all is never kept.

    Raises
    ------
    ValueError
        If a size is not positive or `min_tissue` lies outside 0 to 1.
    """
    if tile_px < 1 or not um_per_px > 0 or not 0 <= min_tissue <= 1:
        raise ValueError(f"not a tile grid: {tile_px} px at {um_per_px} um, tissue {min_tissue}")
    side = tile_px * um_per_px
    extent = tissue.grid.region
    shape = (_tiles(extent.y + extent.height, side), _tiles(extent.x + extent.width, side))
    grid = PixelGrid(shape, (side, side))
    share = tissue_share(tissue, grid)
    cells = np.argwhere(share >= max(min_tissue - _ROUNDING, _ROUNDING)).astype(np.int32)
    return TileGrid(grid, cells, tile_px, um_per_px)


def tissue_share(tissue: TissueMask, grid: PixelGrid) -> Float64:
    """Share of each pixel of `grid` that is tissue, by exact area; (h, w) float64, 0 to 1."""
    return area_share(tissue.mask, tissue.grid, grid)


def _tiles(extent_um: float, side_um: float) -> int:
    return max(0, math.ceil(extent_um / side_um - _ROUNDING))
