"""Quality of single tiles, measured while they are in memory anyway."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.quality.blur import sharpness
from napari_mmlnb.quality.pen import pen_mask, stained_mask
from napari_mmlnb.slides.backends.base import RGB

Float32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_REDUCED_UM = 4.0
_MARGIN_PX = 18


@dataclass(frozen=True)
class TileQuality:
    """Some tiles, (n,) each; NaN where a tile could not be read.

    Parameters
    ----------
    sharpness : ndarray
        float32, below 1 where blurred (see `blur.sharpness`); NaN also where there is nothing to judge by.
    tissue : ndarray
        float32, share of the tile that is neither empty glass nor pen, 0 to 1.
    pen : ndarray
        float32, share under a pen, 0 to 1; not red ink.
    readable : ndarray
        bool.
    """

    sharpness: Float32
    tissue: Float32
    pen: Float32
    readable: Mask

    def __len__(self) -> int:
        return len(self.sharpness)

    def one(self, number: int) -> TileQuality:
        """One of the tiles, alone."""
        part = slice(number, number + 1)
        return TileQuality(self.sharpness[part], self.tissue[part], self.pen[part], self.readable[part])

    @property
    def judged(self) -> Mask:
        """Whether there is something to judge sharpness by."""
        return ~np.isnan(self.sharpness)

    @property
    def blurred(self) -> Mask:
        """Tiles that are out of focus; those that cannot be judged are not."""
        return self.judged & (self.sharpness < 1)

    @classmethod
    def joined(cls, parts: Iterable[TileQuality]) -> TileQuality:
        """Several batches as one, in their order."""
        every = list(parts)
        if not every:
            none = np.empty(0, np.float32)
            return cls(none, none, none, np.empty(0, np.bool_))
        return cls(
            np.concatenate([one.sharpness for one in every]),
            np.concatenate([one.tissue for one in every]),
            np.concatenate([one.pen for one in every]),
            np.concatenate([one.readable for one in every]),
        )


def measure_tiles(
    pixels: RGB, um_per_px: float, glass: tuple[float, float, float], readable: Mask | None = None
) -> TileQuality:
    """Measure a batch of tiles.

    Parameters
    ----------
    pixels : ndarray
        (n, h, w, 3) uint8.
    um_per_px : float
        Their scale, at most `blur.COARSEST_UM_PER_PX`.
    glass : tuple of float
        Grey levels of the slide's empty glass.
    readable : ndarray, optional
        (n,) bool; all by default. What cannot be read is not measured.

    Raises
    ------
    ValueError
        If the scale is too coarse for sharpness.
    """
    known = np.ones(len(pixels), np.bool_) if readable is None else readable.astype(np.bool_)
    figures = np.full((3, len(pixels)), np.nan, np.float32)
    for index in np.flatnonzero(known).tolist():
        figures[:, index] = _measured(pixels[index], um_per_px, glass)
    return TileQuality(figures[0], figures[1], figures[2], known)


def _measured(tile: RGB, um_per_px: float, glass: tuple[float, float, float]) -> tuple[float, float, float]:
    """Sharpness, tissue and pen of one tile."""
    height, width = (max(1, round(side * um_per_px / _REDUCED_UM)) for side in tile.shape[:2])
    small = np.asarray(cv2.resize(tile, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    # Gaps within strokes are closed: with no room beyond the edge, so would be all between a stroke and the edge.
    beyond = cv2.copyMakeBorder(small, *(_MARGIN_PX,) * 4, cv2.BORDER_REPLICATE)
    pen = pen_mask(beyond, glass, _REDUCED_UM)[_MARGIN_PX:-_MARGIN_PX, _MARGIN_PX:-_MARGIN_PX]
    tissue = stained_mask(small, glass) & ~pen
    return sharpness(tile, um_per_px), float(tissue.mean()), float(pen.mean())
