"""The whole slide at a coarse scale, read in strips, so that no level is ever decoded at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from napari_mmlnb.errors import SlideReadError, TileReadError
from napari_mmlnb.geometry import PixelGrid, iter_windows
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.resample import best_level

_BLOCK_PX = 2048
_SMALLEST_BLOCK_PX = 256
_CHEQUER = (96, 160)


class ReadsGrids(Protocol):
    """What an overview needs of a slide."""

    grids: tuple[PixelGrid, ...]

    def read_grid(self, target: PixelGrid) -> RGB:
        """Pixels of a grid."""
        ...


@dataclass(frozen=True)
class Overview:
    """The whole slide at one scale.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8; a grey chequer where nothing could be decoded.
    readable : ndarray
        (h, w) bool; where `rgb` is the slide's.
    grid : PixelGrid
        Where it lies; its origin is the slide's, and its last pixels may reach over the edge, which is white.
    """

    rgb: RGB
    readable: npt.NDArray[np.bool_]
    grid: PixelGrid


def read_overview(slide: ReadsGrids, um_per_px: float) -> Overview:
    """Read the whole slide at `um_per_px`, block by block; a block that fails is halved down to the damage.

    Parameters
    ----------
    slide : Slide
        The slide.
    um_per_px : float
        Of the result, both axes, micrometres.

    Raises
    ------
    SlideReadError
        If nothing of it can be decoded.
    """
    extent = slide.grids[0].region
    shape = (_pixels(extent.height, um_per_px), _pixels(extent.width, um_per_px))
    grid = PixelGrid(shape, (um_per_px, um_per_px))
    rgb = np.full((*shape, 3), 255, dtype=np.uint8)
    readable = np.ones(shape, dtype=np.bool_)
    spacing = min(slide.grids[best_level(slide.grids, grid.spacing_um)].spacing_um)
    level_px = um_per_px / spacing
    failure: TileReadError | None = None
    pending = list(iter_windows(shape, max(1, round(_BLOCK_PX / level_px))))
    while pending:
        rows, columns = pending.pop()
        try:
            rgb[rows, columns] = slide.read_grid(grid.crop(rows, columns))
        except TileReadError as error:
            failure = error
            if max(rows.stop - rows.start, columns.stop - columns.start) * level_px > _SMALLEST_BLOCK_PX:
                pending.extend(_quarters(rows, columns))
            else:
                readable[rows, columns] = False
    if failure is not None and not readable.any():
        raise SlideReadError(failure.path, "Nothing of the slide can be decoded.", "Copy it again.") from failure
    rgb[~readable] = _chequer(shape)[~readable]
    return Overview(rgb, readable, grid)


def _pixels(extent_um: float, um_per_px: float) -> int:
    return max(1, math.ceil(extent_um / um_per_px - 1e-6))


def _quarters(rows: slice, columns: slice) -> list[tuple[slice, slice]]:
    halves = []
    for whole in (rows, columns):
        middle = (whole.start + whole.stop + 1) // 2
        parts = (slice(whole.start, middle), slice(middle, whole.stop))
        halves.append([part for part in parts if part.stop > part.start])
    return [(r, c) for r in halves[0] for c in halves[1]]


def _chequer(shape: tuple[int, int]) -> RGB:
    rows, columns = np.indices(shape) // 4
    dark = np.where((rows + columns) % 2, *_CHEQUER).astype(np.uint8)
    return np.repeat(dark[..., None], 3, axis=-1)
