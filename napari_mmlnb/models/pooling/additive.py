r"""Additive pooling: the logits are a sum of what each tile says by itself.

.. math::

    y_c = b_c + \sum_i \psi_c(a_i h_i)

Source: Javed, Juyal, Padigela, Taylor-Weiner, Yu, Prakash: Additive MIL: intrinsically interpretable multiple instance
learning for pathology, NeurIPS 2022 (arXiv 2206.01794). That :math:`\psi` has no offsets, and the bag one
:math:`b_c`, is our design, after Javed et al.: with offsets every tile, unattended ones too, would add a constant, and
the logits would grow with the size of the bag. Without them :math:`\psi(a h) = a \psi(h)` for a not negative.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_mmlnb.models.pooling.base import PoolingFacts, PoolingShape
from napari_mmlnb.models.pooling.gated_attention import GatedAttention
from napari_mmlnb.models.pooling.weighted import Rating, WeightedClassifier


class AdditiveClassifier(WeightedClassifier):
    """Additive pooling: gated attention, then a small network on each weighted tile, then the sum.

    Parameters
    ----------
    shape : PoolingShape
        Sizes; `hidden` is also the width of the network on a tile.
    """

    def __init__(self, shape: PoolingShape) -> None:
        super().__init__()
        self.pooling = GatedAttention(shape.features, shape.dimension, shape.hidden, shape.dropout)
        self.tile_head = nn.Sequential(
            nn.Linear(shape.dimension, shape.hidden, bias=False),
            nn.ReLU(),
            nn.Linear(shape.hidden, shape.classes, bias=False),
        )
        self.offset = nn.Parameter(torch.zeros(shape.classes))

    @property
    def bias(self) -> Tensor:
        """(K,), the logits of a bag in which no tile says anything."""
        return self.offset

    def rate(self, tiles: Tensor) -> Rating:
        """Tiles (..., n, F), projected, with one score and what each says by itself."""
        instances = self.pooling.project(tiles)
        return Rating(instances, self.pooling.scores(instances), self.tile_head(instances))


ADDITIVE = PoolingFacts(
    name="additive",
    title="Additive",
    source="Javed et al.: Additive MIL, NeurIPS 2022 (arXiv 2206.01794)",
    attention="Weight of the tile before its own small network; the contributions are the method's map.",
    build=AdditiveClassifier,
)
