r"""Classifiers whose logits are weighted sums over the tiles, one attention for all classes or one a class.

.. math::

    y_c = b_c + \sum_i a_{r(c), i} \, s_{ic}, \qquad a_r = \mathrm{softmax}_i\; e_{ri}

The contribution of tile i to class c is therefore exactly :math:`a_{r(c), i} s_{ic}`, and a bag of any size can be
pooled in one pass.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_mmlnb.models.pooling.base import BagAnswer, BagClassifier, Pooled, masked_softmax
from napari_mmlnb.models.pooling.chunks import OnlineSoftmax, some


@dataclass(frozen=True)
class Rating:
    """Tiles, each looked at for itself.

    Parameters
    ----------
    instances : Tensor
        (..., n, D).
    scores : Tensor
        (..., n, R), attention before the softmax; R is 1, or K for one attention a class.
    shares : Tensor
        (..., n, K), what the tile would add to each logit if its attention were 1.
    """

    instances: Tensor
    scores: Tensor
    shares: Tensor


class WeightedClassifier(BagClassifier):
    """A bag classifier whose logits are weighted sums over tiles that are rated one by one.

    With one attention a class, `Pooled.attention` and `Pooled.embedding` are those of the most probable class.
    """

    @property
    @abstractmethod
    def bias(self) -> Tensor:
        """(K,), the part of the logits that no tile accounts for."""

    @abstractmethod
    def rate(self, tiles: Tensor) -> Rating:
        """Rate tiles (..., n, F), each for itself."""

    def pool(self, bag: Tensor, mask: Tensor) -> Pooled:
        """Pool bags of tiles; see `BagClassifier.pool`."""
        return self._answer(bag, mask)[1]

    def forward(self, bag: Tensor, mask: Tensor) -> BagAnswer:
        """Classify bags of tiles; see `BagClassifier.forward`."""
        return self._answer(bag, mask)[0]

    def answer_in_chunks(self, chunks: Iterable[Tensor]) -> BagAnswer:
        """Classify one bag in one pass; see `BagClassifier.answer_in_chunks`."""
        embeddings = OnlineSoftmax()
        scores, shares = [], []
        with torch.inference_mode():
            for chunk in some(chunks):
                rating = self.rate(chunk)
                embeddings.add(rating.scores.mT, rating.instances)
                scores.append(rating.scores)
                shares.append(rating.shares)
            attention = torch.softmax(torch.cat(scores).mT, dim=-1)[None]
            return self._answered(attention, torch.cat(shares)[None], embeddings.mean[None])

    def _answer(self, bag: Tensor, mask: Tensor) -> tuple[BagAnswer, Pooled]:
        rating = self.rate(bag)
        attention = masked_softmax(rating.scores.mT, mask)
        # Padding may hold anything, infinities too, and 0 times infinity is not 0.
        instances = rating.instances.masked_fill(~mask.unsqueeze(-1), 0.0)
        shares = rating.shares.masked_fill(~mask.unsqueeze(-1), 0.0)
        answer = self._answered(attention, shares, attention @ instances)
        return answer, Pooled(answer.embedding, answer.attention, instances)

    def _answered(self, attention: Tensor, shares: Tensor, embeddings: Tensor) -> BagAnswer:
        """The answer from attention (B, R, N), shares (B, N, K) and the embedding of each attention (B, R, D)."""
        contributions = attention.mT * shares
        logits = contributions.sum(dim=1) + self.bias
        if attention.shape[1] == 1:
            return BagAnswer(logits, embeddings[:, 0], attention[:, 0], contributions, self.bias)
        rows, likeliest = torch.arange(len(logits), device=logits.device), logits.argmax(dim=1)
        return BagAnswer(
            logits, embeddings[rows, likeliest], attention[rows, likeliest], contributions, self.bias, attention
        )
