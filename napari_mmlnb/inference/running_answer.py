"""The image branch's answer while tiles come in: each tile is rated once, so that an update costs next to nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.inference.answer import TileAnswer, rate_tiles
from napari_mmlnb.inference.encoding import EncodedBatch
from napari_mmlnb.inference.estimate import RunEstimate, estimate, leave_out_blocks
from napari_mmlnb.models.pooling.base import RatedTiles

Rows = npt.NDArray[np.int64]


class RunningAnswer:
    """What is known of each tile, and what it adds up to.

    Parameters
    ----------
    bundle : Bundle
        What answers.
    blocks : ndarray
        (N,) int64, the block of neighbouring tiles in which each tile of the grid lies.
    device : torch.device
        Where to compute.
    """

    def __init__(self, bundle: Bundle, blocks: Rows, device: torch.device) -> None:
        tiles, classes = len(blocks), len(bundle.spec.class_ids)
        self._bundle = bundle
        self._blocks = blocks
        self._device = device
        self._scores = np.zeros(tiles, np.float32)
        self._shares = np.zeros((tiles, classes), np.float32)
        self._bias: npt.NDArray[np.float32] = bundle.system.image_head.bias.detach().cpu().numpy()

    def add(self, batch: EncodedBatch) -> None:
        """Rate the tiles of a batch."""
        if len(batch.indices):
            self.take(batch.indices, rate_tiles(self._bundle, batch.features, self._device))

    def take(self, indices: Rows, ratings: RatedTiles) -> None:
        """Take over the ratings of some tiles of the grid."""
        self._scores[indices] = ratings.scores.cpu().numpy()
        self._shares[indices] = ratings.shares.cpu().numpy()

    def answer(self, seen: Rows) -> TileAnswer:
        """Attention and contributions of the tiles seen, at least one."""
        weights = np.exp(self._scores[seen] - self._scores[seen].max())
        attention = weights / weights.sum(dtype=np.float64)
        contribution = (attention[:, None] * self._shares[seen]).astype(np.float32)
        return TileAnswer(
            attention=(attention * len(seen)).astype(np.float32),
            contribution=contribution,
            logits=contribution.sum(axis=0) + self._bias,
        )

    def estimate(self, sample: Rows, total: int) -> RunEstimate:
        """Class and interval from a fair sample of the tissue.

        Parameters
        ----------
        sample : ndarray
            (n,) tiles with features, at least one.
        total : int
            Tiles that will have been seen at the end.
        """
        bundle = self._bundle
        jackknife = leave_out_blocks(
            self._scores[sample], self._shares[sample], self._bias, self._blocks[sample], total
        )
        return estimate(jackknife, bundle.spec.classes, bundle.calibration.temperature["image"], (len(sample), total))
