"""Features and ratings of a slide's tiles from the run before, in memory: another region is then answered at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_mmlnb.inference.answer import SlideAnswer
from napari_mmlnb.inference.bag import Bag
from napari_mmlnb.inference.encoding import FeatureArray
from napari_mmlnb.models.pooling.base import RatedTiles
from napari_mmlnb.slides.tile_grid import TileGrid

MOST_BYTES = 256 * 2**20
"""Of features that stay in memory; beyond it they are read from the disk again."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class KnownTiles:
    """What is known of some tiles of a grid.

    Parameters
    ----------
    keys : ndarray
        (n,) int64, the places of the tiles in the grid, counted row by row, in increasing order.
    features : ndarray
        (n, F) float32.
    ratings : RatedTiles
        Of the same tiles.
    """

    keys: Rows
    features: FeatureArray
    ratings: RatedTiles

    @classmethod
    def of(cls, tiles: TileGrid, bag: Bag, answer: SlideAnswer) -> KnownTiles | None:
        """What a run that is over knows; None where that is too much to keep."""
        features = bag.features
        if features.nbytes > MOST_BYTES or answer.ratings.instances is None:
            return None
        return cls(_keys(tiles)[bag.used], features, answer.ratings)

    def rows(self, tiles: TileGrid) -> Rows | None:
        """Where the tiles of a grid are found here, (m,); None unless all of them are."""
        wanted = _keys(tiles)
        if not len(wanted) or not len(self.keys):
            return None
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return at if bool((self.keys[at] == wanted).all()) else None


def _keys(tiles: TileGrid) -> Rows:
    return tiles.cells[:, 0].astype(np.int64) * tiles.grid.shape[1] + tiles.cells[:, 1]
