"""The largest value of each feature over the tiles.

Source: Wang, Yan, Tang, Bai, Liu: Revisiting multiple instance neural networks (arXiv 1610.02501), max pooling. How
the result is split among the tiles is our design, after Wang et al.: a tile accounts for the features in which it is
the largest.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from napari_mmlnb.models.pooling.base import BagAnswer, BagClassifier, Pooled, PoolingFacts, PoolingShape, projection
from napari_mmlnb.models.pooling.chunks import some


class MaxClassifier(BagClassifier):
    """Max pooling with a linear head.

    A tile's contribution is what the features in which it is the largest add to the logit, and its attention is the
    share of those features among all that are above 0 somewhere. Tiles that tie share alike. A bag in which nothing is
    above 0 is attended to evenly.

    Parameters
    ----------
    shape : PoolingShape
        Sizes; `hidden` is not used.
    """

    def __init__(self, shape: PoolingShape) -> None:
        super().__init__()
        self.project = projection(shape.features, shape.dimension, shape.dropout)
        self.head = nn.Linear(shape.dimension, shape.classes)

    def pool(self, bag: Tensor, mask: Tensor) -> Pooled:
        """Pool bags of tiles; see `BagClassifier.pool`."""
        # Projected tiles are not negative, so 0 on padding never wins over a real tile's feature.
        instances = self.project(bag).masked_fill(~mask.unsqueeze(-1), 0.0)
        embedding = instances.amax(dim=1)
        wins = _wins(instances, embedding)
        attention = _attention(wins.sum(dim=-1), mask)
        return Pooled(embedding, attention, instances)

    def forward(self, bag: Tensor, mask: Tensor) -> BagAnswer:
        """Classify bags of tiles; see `BagClassifier.forward`."""
        pooled = self.pool(bag, mask)
        contributions = (_wins(pooled.instances, pooled.embedding) * pooled.instances) @ self.head.weight.T
        return BagAnswer(self.head(pooled.embedding), pooled.embedding, pooled.attention, contributions, self.head.bias)

    def answer_in_chunks(self, chunks: Iterable[Tensor]) -> BagAnswer:
        """Classify one bag, its projected tiles held until the largest are known; see `BagClassifier`."""
        with torch.inference_mode():
            held = [self.project(chunk) for chunk in some(chunks)]
            embedding = torch.stack([instances.amax(dim=0) for instances in held]).amax(dim=0)
            ties = torch.stack([_winners(instances, embedding).sum(dim=0) for instances in held]).sum(dim=0)
            count, contributions = [], []
            for instances in held:
                wins = _winners(instances, embedding) / ties.clamp(min=1)
                count.append(wins.sum(dim=-1))
                contributions.append((wins * instances) @ self.head.weight.T)
            won = torch.cat(count)[None]
            attention = _attention(won, torch.ones_like(won, dtype=torch.bool))
            split = torch.cat(contributions)[None]
            return BagAnswer(self.head(embedding)[None], embedding[None], attention, split, self.head.bias)


def _winners(instances: Tensor, largest: Tensor) -> Tensor:
    """Where a tile has the largest value of a feature, and that is above 0; (..., n, D) float."""
    return ((instances == largest.unsqueeze(-2)) & (instances > 0)).to(instances.dtype)


def _wins(instances: Tensor, largest: Tensor) -> Tensor:
    """The share of each tile in each feature's largest value, (B, N, D)."""
    winners = _winners(instances, largest)
    return winners / winners.sum(dim=1, keepdim=True).clamp(min=1)


def _attention(won: Tensor, mask: Tensor) -> Tensor:
    """Features won by each tile, (B, N), as shares of all."""
    total = won.sum(dim=1, keepdim=True)
    evenly = mask.to(won.dtype) / mask.sum(dim=1, keepdim=True)
    return torch.where(total > 0, won / total.clamp(min=1), evenly)


MAX = PoolingFacts(
    name="max",
    title="Maximum",
    source="Wang et al.: Revisiting multiple instance neural networks, 2016 (arXiv 1610.02501)",
    attention="Share of the features in which the tile is the largest.",
    build=MaxClassifier,
    weighted_mean=False,
)
