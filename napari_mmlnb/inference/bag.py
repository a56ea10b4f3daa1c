"""The features of a slide as they come in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_mmlnb.inference.encoding import EncodedBatch, FeatureArray
from napari_mmlnb.result import TileState


class Bag:
    """Collects features by tile, so that the order in which they came does not matter afterwards.

    Parameters
    ----------
    tiles : int
        Number of tiles of the grid.
    dimension : int
        Length of a feature vector.
    """

    def __init__(self, tiles: int, dimension: int) -> None:
        self._features: FeatureArray = np.zeros((tiles, dimension), dtype=np.float32)
        self._adopted: tuple[FeatureArray, npt.NDArray[np.int64]] | None = None
        self.state: npt.NDArray[np.uint8] = np.full(tiles, TileState.PENDING, dtype=np.uint8)

    def add(self, batch: EncodedBatch) -> None:
        """Take in a batch."""
        self._features[batch.indices] = batch.features
        self.state[batch.indices] = TileState.USED
        self.state[batch.unreadable] = TileState.UNREADABLE

    def adopt(self, features: FeatureArray, rows: npt.NDArray[np.int64]) -> None:
        """Take over all tiles from features that are in memory already, without a copy before somebody wants them.

        Parameters
        ----------
        features : ndarray
            (m, F) float32.
        rows : ndarray
            (tiles,) int64, the row of each tile of the grid.
        """
        self._adopted = (features, rows)
        self.state[:] = TileState.USED

    def keep(self, indices: npt.NDArray[np.int64]) -> None:
        """Forget all tiles but these: they count as pending again."""
        others = np.ones(len(self.state), dtype=np.bool_)
        others[indices] = False
        self.state[others] = TileState.PENDING

    @property
    def used(self) -> npt.NDArray[np.int64]:
        """Tiles with features, in the order of the grid."""
        return np.flatnonzero(self.state == TileState.USED)

    @property
    def unreadable(self) -> npt.NDArray[np.int64]:
        """Tiles that could not be decoded."""
        return np.flatnonzero(self.state == TileState.UNREADABLE)

    @property
    def seen(self) -> int:
        """Tiles that are no longer pending."""
        return int((self.state != TileState.PENDING).sum())

    @property
    def features(self) -> FeatureArray:
        """Features of `used`, (n, F) float32; no copy where all of them are wanted: it would be as large again."""
        used, own = self.used, self._features
        if self._adopted is not None:
            own, rows = self._adopted
            used = rows[used]
        whole = len(used) == len(own) and bool((used == np.arange(len(own))).all())
        return own if whole else own[used]

    def features_of(self, tiles: npt.NDArray[np.int64]) -> FeatureArray:
        """Features of some tiles of `used`, (n, F) float32, as a copy."""
        if self._adopted is not None:
            features, rows = self._adopted
            return features[rows[tiles]]
        return self._features[tiles]
