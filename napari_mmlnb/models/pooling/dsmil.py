r"""Dual-stream pooling: the most telling tile of each class, and how alike the others are to it.

One stream scores each tile by itself and takes the highest of each class, the critical tile m. The other weights all
tiles by their likeness to it. The logits are the mean of both streams:

.. math::

    y_c = \tfrac12 \Big( \max_i w_c^\top h_i + b_c + \sum_r W_{cr}^\top \sum_i a_{ri} v_i + b'_c \Big), \qquad
    a_{ri} = \mathrm{softmax}_i \frac{q_i^\top q_{m_r}}{\sqrt{d}}

Source: Li, Li, Eliceiri: Dual-stream multiple instance learning network for whole slide image classification with
self-supervised contrastive learning, CVPR 2021 (arXiv 2011.08939). Both streams are linear in the tiles once the
attention is known, so each tile's contribution is exact; the critical tile's own score counts as its contribution.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from napari_mmlnb.models.pooling.base import (
    BagAnswer,
    BagClassifier,
    Pooled,
    PoolingFacts,
    PoolingShape,
    masked_softmax,
    projection,
)
from napari_mmlnb.models.pooling.chunks import OnlineSoftmax, some


class DsmilClassifier(BagClassifier):
    """DSMIL. `Pooled.attention` and `Pooled.embedding` are those of the most probable class.

    Parameters
    ----------
    shape : PoolingShape
        Sizes; `hidden` is the length of queries.
    """

    def __init__(self, shape: PoolingShape) -> None:
        super().__init__()
        self.project = projection(shape.features, shape.dimension, shape.dropout)
        self.tile_head = nn.Linear(shape.dimension, shape.classes)
        self.query = nn.Linear(shape.dimension, shape.hidden)
        self.value = nn.Linear(shape.dimension, shape.dimension)
        self.bag_head = nn.Linear(shape.classes * shape.dimension, shape.classes)

    @property
    def bias(self) -> Tensor:
        """(K,), the mean of both streams' offsets."""
        return 0.5 * (self.tile_head.bias + self.bag_head.bias)

    def pool(self, bag: Tensor, mask: Tensor) -> Pooled:
        """Pool bags of tiles; see `BagClassifier.pool`."""
        return self._answer(bag, mask)[1]

    def forward(self, bag: Tensor, mask: Tensor) -> BagAnswer:
        """Classify bags of tiles; see `BagClassifier.forward`."""
        return self._answer(bag, mask)[0]

    def tile_logits(self, bag: Tensor, mask: Tensor) -> Tensor:
        """Logits of the critical tiles alone, (B, K), for the first stream's own loss while training."""
        instances = self.project(bag).masked_fill(~mask.unsqueeze(-1), 0.0)
        logits: Tensor = self.tile_head(instances)
        return logits.masked_fill(~mask.unsqueeze(-1), float("-inf")).amax(dim=1)

    def answer_in_chunks(self, chunks: Iterable[Tensor]) -> BagAnswer:
        """Classify one bag, its projected tiles held until the critical ones are known; see `BagClassifier`."""
        with torch.inference_mode():
            held = [self.project(chunk) for chunk in some(chunks)]
            own = torch.cat([self._own(instances) for instances in held])
            critical = own.argmax(dim=0)
            keys = self.query(_rows(held, critical))
            bags, scores, shares = OnlineSoftmax(), [], []
            for instances in held:
                values = self.value(instances)
                scores.append(self._likeness(instances, keys))
                shares.append(self._shares(values))
                bags.add(scores[-1].mT, values)
            attention = torch.softmax(torch.cat(scores).mT, dim=-1)[None]
            return self._answered(own[None], critical[None], attention, torch.cat(shares)[None], bags.mean[None])

    def _answer(self, bag: Tensor, mask: Tensor) -> tuple[BagAnswer, Pooled]:
        real = mask.unsqueeze(-1)
        instances = self.project(bag).masked_fill(~real, 0.0)
        own = self._own(instances)
        critical = own.masked_fill(~real, float("-inf")).argmax(dim=1)
        telling = instances.gather(1, critical.unsqueeze(-1).expand(-1, -1, instances.shape[-1]))
        attention = masked_softmax(self._likeness(instances, self.query(telling)).mT, mask)
        values = self.value(instances).masked_fill(~real, 0.0)
        answer = self._answered(own, critical, attention, self._shares(values), attention @ values)
        return answer, Pooled(answer.embedding, answer.attention, values)

    def _own(self, instances: Tensor) -> Tensor:
        """What each tile says by itself, without the offset, (..., n, K)."""
        return instances @ self.tile_head.weight.T

    def _likeness(self, instances: Tensor, keys: Tensor) -> Tensor:
        """Attention before the softmax, (..., n, K), of tiles to the critical tiles' queries (..., K, d)."""
        likeness: Tensor = self.query(instances) @ keys.mT / math.sqrt(keys.shape[-1])
        return likeness

    def _shares(self, values: Tensor) -> Tensor:
        """What each tile would add to each logit through each attention, (..., n, R, K)."""
        classes = self.bag_head.out_features
        weight = self.bag_head.weight.view(classes, classes, -1)
        return torch.einsum("...nd,crd->...nrc", values, weight)

    def _answered(
        self, own: Tensor, critical: Tensor, attention: Tensor, shares: Tensor, embeddings: Tensor
    ) -> BagAnswer:
        """The answer from (B, N, K), (B, K), (B, K, N), (B, N, K, K) and the embedding of each attention (B, K, D)."""
        chosen = torch.zeros_like(own).scatter_(1, critical.unsqueeze(1), 1.0)
        contributions = 0.5 * (chosen * own + torch.einsum("brn,bnrc->bnc", attention, shares))
        logits = contributions.sum(dim=1) + self.bias
        rows, likeliest = torch.arange(len(logits), device=logits.device), logits.argmax(dim=1)
        return BagAnswer(
            logits, embeddings[rows, likeliest], attention[rows, likeliest], contributions, self.bias, attention
        )


def _rows(held: list[Tensor], indices: Tensor) -> Tensor:
    """Rows of several pieces as if they were one, without making one of them."""
    starts = [0]
    for piece in held:
        starts.append(starts[-1] + len(piece))
    edges = torch.tensor(starts[1:])
    which = torch.bucketize(indices.cpu(), edges, right=True).tolist()
    return torch.stack([held[w][i - starts[w]] for w, i in zip(which, indices.tolist(), strict=True)])


DSMIL = PoolingFacts(
    name="dsmil",
    title="Dual stream",
    source=(
        "Li, Li, Eliceiri: Dual-stream multiple instance learning network for whole slide image classification, "
        "CVPR 2021 (arXiv 2011.08939)"
    ),
    attention="Likeness of the tile to the critical tile of the most probable class; `branches` has all classes.",
    build=DsmilClassifier,
)
