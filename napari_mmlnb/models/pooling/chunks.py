"""Large bags piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

TILES_A_CHUNK = 4096
"""Tiles that are worked on at once: a few tens of megabytes, and enough for the processor's matrix units."""


def in_chunks(bag: Tensor, tiles: int = TILES_A_CHUNK) -> Iterator[Tensor]:
    """Views of a bag (N, F), `tiles` rows each; the last one may be shorter.

    Raises
    ------
    ValueError
        If `tiles` is below 1.
    """
    if tiles < 1:
        raise ValueError(f"a chunk holds at least one tile, not {tiles}")
    for start in range(0, len(bag), tiles):
        yield bag[start : start + tiles]


def some(chunks: Iterable[Tensor]) -> Iterator[Tensor]:
    """The chunks that hold a tile.

    Raises
    ------
    ValueError
        After the last chunk, if none did.
    """
    empty = True
    for chunk in chunks:
        if len(chunk):
            empty = False
            yield chunk
    if empty:
        raise ValueError("a bag without tiles cannot be pooled")


class OnlineSoftmax:
    """Means of vectors under a softmax over scores of which only a part is known at a time.

    What was summed is rescaled whenever a larger score comes, so that no exponential overflows.

    Source: Milakov and Gimelshein, Online normalizer calculation for softmax (arXiv 1805.02867).
    """

    def __init__(self) -> None:
        self._largest: Tensor | None = None
        self._total = torch.zeros(())
        self._sum = torch.zeros(())

    def add(self, scores: Tensor, values: Tensor) -> None:
        """Take in some vectors.

        Parameters
        ----------
        scores : Tensor
            (..., R, n).
        values : Tensor
            (..., n, D).
        """
        largest = scores.amax(dim=-1, keepdim=True)
        if self._largest is not None:
            largest = torch.maximum(largest, self._largest)
            shrink = torch.exp(self._largest - largest)
            self._total *= shrink
            self._sum *= shrink
        weights = torch.exp(scores - largest)
        self._total = self._total + weights.sum(dim=-1, keepdim=True)
        self._sum = self._sum + weights @ values
        self._largest = largest

    @property
    def mean(self) -> Tensor:
        """(..., R, D), the means so far."""
        return self._sum / self._total
