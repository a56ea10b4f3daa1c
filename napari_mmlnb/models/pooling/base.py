"""What every pooling gives back, and what is known of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Pooled:
    """A bag, pooled.

    Parameters
    ----------
    embedding : Tensor
        (B, D), the slide's vector.
    attention : Tensor
        (B, N), not negative, sums to 1 over the real tiles of a bag; 0 on padding.
    instances : Tensor
        (B, N, D), what was weighted: ``embedding = attention @ instances``, unless the method's `PoolingFacts` say
        that it is no weighted mean.
    """

    embedding: Tensor
    attention: Tensor
    instances: Tensor


@dataclass(frozen=True)
class RatedTiles:
    """What a weighted sum over tiles is made of.

    Parameters
    ----------
    scores : Tensor
        (n,), attention before the softmax.
    shares : Tensor
        (n, K), what each tile would add to the logits if its attention were 1.
    instances : Tensor or None
        (n, D); None where they were too many to keep.
    embedding : Tensor or None
        (1, D), their weighted mean, where the instances themselves are not kept.
    """

    scores: Tensor
    shares: Tensor
    instances: Tensor | None = None
    embedding: Tensor | None = None

    def of(self, rows: Tensor) -> RatedTiles:
        """Some of the tiles, whose instances must have been kept."""
        if self.instances is None:
            raise ValueError("the instances of these tiles were not kept")
        return RatedTiles(self.scores[rows], self.shares[rows], instances=self.instances[rows])


class Pooling(Protocol):
    """A bag of tile features to a `Pooled`."""

    def __call__(self, bag: Tensor, mask: Tensor) -> Pooled:
        """Pool (B, N, F) float32 under a (B, N) bool mask that is True on real tiles."""
        ...


@dataclass(frozen=True)
class BagAnswer:
    """What a bag classifier says of a bag, without the tiles themselves: it stays small for bags of any size.

    Parameters
    ----------
    logits : Tensor
        (B, K).
    embedding : Tensor
        (B, D), the slide's vector, as in `Pooled`.
    attention : Tensor
        (B, N), as in `Pooled`.
    contributions : Tensor or None
        (B, N, K), signed, 0 on padding: ``logits = bias + contributions.sum(1)``. None where the method has no such
        split; none is made up.
    bias : Tensor
        (K,), the part of the logits that no tile accounts for; 0 where `contributions` is None.
    branches : Tensor or None
        (B, K, N), each class's own attention, where the method has one a class.
    """

    logits: Tensor
    embedding: Tensor
    attention: Tensor
    contributions: Tensor | None
    bias: Tensor
    branches: Tensor | None = None


@dataclass(frozen=True)
class PoolingShape:
    """Sizes of a bag classifier.

    Parameters
    ----------
    features : int
        F, length of a tile's feature vector.
    classes : int
        K.
    dimension : int
        D, length of the slide's vector.
    hidden : int
        Width of the attention branch.
    dropout : float
        On the projected tiles, training only.
    """

    features: int
    classes: int
    dimension: int = 512
    hidden: int = 128
    dropout: float = 0.25


class BagClassifier(nn.Module, ABC):
    """A pooling with the head that belongs to it: a bag of tile features to the logits of K classes."""

    @abstractmethod
    def pool(self, bag: Tensor, mask: Tensor) -> Pooled:
        """Pool bags of tiles, without the classes; for fusion with another modality.

        Parameters
        ----------
        bag : Tensor
            (B, N, F) float32.
        mask : Tensor
            (B, N) bool, True on real tiles; each bag has at least one.
        """

    @abstractmethod
    def forward(self, bag: Tensor, mask: Tensor) -> BagAnswer:
        """Classify bags of tiles; parameters as for `pool`."""

    @abstractmethod
    def answer_in_chunks(self, chunks: Iterable[Tensor]) -> BagAnswer:
        """Classify one bag, piece by piece, in memory that hardly grows with the features' length; inference only.

        Parameters
        ----------
        chunks : iterable of Tensor
            (n, F) float32 each, in the order of the tiles; read once. At least one tile in all.

        Returns
        -------
        BagAnswer
            With B = 1; equal to `forward` on the whole bag but for rounding.

        Raises
        ------
        ValueError
            If there is no tile.
        """


@dataclass(frozen=True)
class PoolingFacts:
    """A way of pooling.

    Parameters
    ----------
    name : str
        What it is found by.
    title, source : str
        What it is, and where it was published.
    attention : str
        What its attention map means.
    build : callable
        Makes the untrained classifier of given sizes.
    exact_contributions : bool
        Whether the tiles' contributions and the bias add up to the logits.
    weighted_mean : bool
        Whether the embedding is ``attention @ instances``.
    order_matters : bool
        Whether the answer depends on the order of the tiles.
    """

    name: str
    title: str
    source: str
    attention: str
    build: Callable[[PoolingShape], BagClassifier]
    exact_contributions: bool = True
    weighted_mean: bool = True
    order_matters: bool = False


def projection(features: int, dimension: int, dropout: float) -> nn.Sequential:
    """The layer before every pooling: (..., F) to (..., D), not negative."""
    return nn.Sequential(nn.Linear(features, dimension), nn.ReLU(), nn.Dropout(dropout))


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis, 0 where the mask is False.

    Parameters
    ----------
    scores : Tensor
        (B, N) or (B, R, N).
    mask : Tensor
        (B, N) bool.
    """
    real = mask if scores.ndim == 2 else mask.unsqueeze(1)
    return torch.softmax(scores.masked_fill(~real, float("-inf")), dim=-1)
