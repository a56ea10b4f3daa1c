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

from napari_mmlnb.models.pooling.base import Pooled


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
        self.project = nn.Sequential(nn.Linear(features, dimension), nn.ReLU(), nn.Dropout(dropout))
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
        score = self.score(torch.tanh(self.value(instances)) * torch.sigmoid(self.gate(instances))).squeeze(-1)
        attention = torch.softmax(score.masked_fill(~mask, float("-inf")), dim=1)
        embedding = torch.einsum("bn,bnd->bd", attention, instances)
        return Pooled(embedding, attention, instances)
