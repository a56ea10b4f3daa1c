"""What every pooling gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


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
        (B, N, D), what was weighted: ``embedding = attention @ instances``.
    """

    embedding: Tensor
    attention: Tensor
    instances: Tensor


class Pooling(Protocol):
    """A bag of tile features to a `Pooled`."""

    def __call__(self, bag: Tensor, mask: Tensor) -> Pooled:
        """Pool (B, N, F) float32 under a (B, N) bool mask that is True on real tiles."""
        ...
