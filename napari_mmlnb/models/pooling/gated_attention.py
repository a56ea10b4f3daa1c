r"""Gated attention over the tiles of a slide.

.. math::

    h_i = \mathrm{ReLU}(P x_i + p), \qquad
    a_i = \mathrm{softmax}_i\; w^\top(\tanh(V h_i) \odot \sigma(U h_i)), \qquad
    v = \sum_i a_i h_i

Source: Ilse, Tomczak, Welling, Attention-based deep multiple instance learning (arXiv 1802.04712).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_mmlnb.models.pooling.base import Pooled, PoolingFacts, PoolingShape, masked_softmax, projection
from napari_mmlnb.models.pooling.weighted import Rating, WeightedClassifier


class GatedAttention(nn.Module):
    """Gated-attention pooling.

    The embedding is a plain weighted sum of `instances`, so any linear head on it splits exactly into one signed
    contribution a tile.

    Parameters
    ----------
    features : int
        F, length of a tile's feature vector.
    dimension : int
        D, length of the slide's vector.
    hidden : int
        Width of the attention branch.
    dropout : float
        On the projected tiles, training only.
    """

    def __init__(self, features: int, dimension: int = 512, hidden: int = 128, dropout: float = 0.25) -> None:
        super().__init__()
        self.project = projection(features, dimension, dropout)
        self.value = nn.Linear(dimension, hidden)
        self.gate = nn.Linear(dimension, hidden)
        self.score = nn.Linear(hidden, 1)

    def forward(self, bag: Tensor, mask: Tensor) -> Pooled:
        """Pool bags of tiles.

        Parameters
        ----------
        bag : Tensor
            (B, N, F) float32.
        mask : Tensor
            (B, N) bool, True on real tiles; each bag has at least one.

        Returns
        -------
        Pooled
            Embedding (B, D), attention (B, N), instances (B, N, D).
        """
        instances = self.project(bag)
        score = self.scores(instances).squeeze(-1)
        attention = masked_softmax(score, mask)
        embedding = torch.einsum("bn,bnd->bd", attention, instances)
        return Pooled(embedding, attention, instances)

    def scores(self, instances: Tensor) -> Tensor:
        """Attention before the softmax, (..., n, 1), of projected tiles (..., n, D)."""
        score: Tensor = self.score(torch.tanh(self.value(instances)) * torch.sigmoid(self.gate(instances)))
        return score


class GatedAttentionClassifier(WeightedClassifier):
    """Gated attention with a linear head.

    Parameters
    ----------
    shape : PoolingShape
        Sizes.
    """

    def __init__(self, shape: PoolingShape) -> None:
        super().__init__()
        self.pooling = GatedAttention(shape.features, shape.dimension, shape.hidden, shape.dropout)
        self.head = nn.Linear(shape.dimension, shape.classes)

    @property
    def bias(self) -> Tensor:
        """The head's, (K,)."""
        return self.head.bias

    def rate(self, tiles: Tensor) -> Rating:
        """Tiles (..., n, F), projected, with one score and their shares of the logits."""
        instances = self.pooling.project(tiles)
        return Rating(instances, self.pooling.scores(instances), instances @ self.head.weight.T)


GATED_ATTENTION = PoolingFacts(
    name="gated_attention",
    title="Gated attention",
    source="Ilse, Tomczak, Welling: Attention-based deep multiple instance learning, ICML 2018 (arXiv 1802.04712)",
    attention="Weight of the tile in the slide's vector.",
    build=GatedAttentionClassifier,
)
