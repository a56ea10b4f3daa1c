"""A transformer over the tiles, which sees how they stand to each other.

Tiles become tokens behind a class token; the first tiles are repeated until the number of tokens is a square. A layer
of Nystrom attention; PPEG, which lays the tokens out as a square and convolves it with kernels of 3, 5 and 7, so that
the order of the tiles enters; a second layer; the head reads the class token.

Source: Shao et al.: TransMIL: transformer based correlated multiple instance learning for whole slide image
classification, NeurIPS 2021 (arXiv 2106.00908).

Tiles act on each other before the head, so that no tile has a contribution of its own and none is given. The attention
map is our design, after Shao et al.: what the class token of the second layer attends to, mean over the heads; the few
negative values that Nystrom's approximation makes are set to 0, repeated tiles are added to their originals, and what
is left is scaled to sum to 1. It shows where the last layer looks, not why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from napari_mmlnb.models.pooling.base import BagAnswer, BagClassifier, Pooled, PoolingFacts, PoolingShape, projection
from napari_mmlnb.models.pooling.chunks import TILES_A_CHUNK, OnlineSoftmax, some
from napari_mmlnb.models.pooling.nystrom import NystromAttention, SegmentMeans, segment_means

ROWS_A_STRIP = 32
"""Rows of the square of tokens that PPEG convolves at once."""


class Ppeg(nn.Module):
    """Pyramid position encoding generator: depthwise convolutions of 3, 5 and 7 over the tokens laid out as a square.

    Parameters
    ----------
    dimension : int
        D.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(dimension, dimension, 7, groups=dimension)
        self.middle = nn.Conv2d(dimension, dimension, 5, groups=dimension)
        self.narrow = nn.Conv2d(dimension, dimension, 3, groups=dimension)

    def forward(self, square: Tensor) -> Tensor:
        """(side, side, D) to the same."""
        return self.strip(square, 0, len(square))

    def strip(self, square: Tensor, top: int, bottom: int) -> Tensor:
        """The result of `forward` on some rows only, (bottom - top, side, D)."""
        # Convolutions add up: one kernel does for three, and saves two passes.
        kernel = self.wide.weight + nnf.pad(self.middle.weight, (1,) * 4) + nnf.pad(self.narrow.weight, (2,) * 4)
        biases = [one.bias for one in (self.wide, self.middle, self.narrow) if one.bias is not None]
        first, last = max(top - 3, 0), min(bottom + 3, len(square))
        window = square[first:last].permute(2, 0, 1)[None]
        padded = nnf.pad(window, (3, 3, first - (top - 3), bottom + 3 - last))
        out = nnf.conv2d(padded, kernel, torch.stack(biases).sum(dim=0), groups=square.shape[2])
        return square[top:bottom] + out[0].permute(1, 2, 0)


class TransMilClassifier(BagClassifier):
    """TransMIL. `Pooled.embedding` is the class token, no weighted mean of the tiles.

    Parameters
    ----------
    shape : PoolingShape
        Sizes; eight heads share `dimension`, and `hidden` is not used.
    """

    def __init__(self, shape: PoolingShape) -> None:
        super().__init__()
        dimension = shape.dimension
        self.project = projection(shape.features, dimension, shape.dropout)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, dimension))
        self.first_norm, self.second_norm = nn.LayerNorm(dimension), nn.LayerNorm(dimension)
        self.first = NystromAttention(dimension, landmarks=max(dimension // 2, 1))
        self.second = NystromAttention(dimension, landmarks=max(dimension // 2, 1))
        self.position = Ppeg(dimension)
        self.norm = nn.LayerNorm(dimension)
        self.head = nn.Linear(dimension, shape.classes)

    def pool(self, bag: Tensor, mask: Tensor) -> Pooled:
        """Pool bags of tiles, each at its own length; see `BagClassifier.pool`."""
        embeddings, maps = [], []
        instances = self.project(bag).masked_fill(~mask.unsqueeze(-1), 0.0)
        for tiles, real in zip(instances, mask, strict=True):
            embedding, attention = self._read(tiles[real])
            embeddings.append(embedding)
            maps.append(attention.new_zeros(len(real)).masked_scatter(real, attention))
        return Pooled(torch.stack(embeddings), torch.stack(maps), instances)

    def forward(self, bag: Tensor, mask: Tensor) -> BagAnswer:
        """Classify bags of tiles; see `BagClassifier.forward`."""
        pooled = self.pool(bag, mask)
        return self._answered(pooled.embedding, pooled.attention)

    def answer_in_chunks(self, chunks: Iterable[Tensor]) -> BagAnswer:
        """Classify one bag, its tokens held and worked on in pieces; see `BagClassifier.answer_in_chunks`."""
        with torch.inference_mode():
            held = [self.project(chunk) for chunk in some(chunks)]
            count = sum(len(piece) for piece in held)
            tokens = held[0].new_empty(1 + _side(count) ** 2, held[0].shape[1])
            tokens[:1] = self.class_token
            place = 1
            while held:
                piece = held.pop(0)
                tokens[place : place + len(piece)] = piece
                place += len(piece)
            tokens[place:] = tokens[1 : 1 + len(tokens) - place]
            self._attend_in_place(tokens)
            tokens = self._with_position(tokens)
            keys, first_values = torch.empty_like(tokens), tokens.new_empty(0, tokens.shape[1])
            means = SegmentMeans(len(tokens), self.second.count)
            for piece in _pieces(len(tokens)):
                means.add(self.second_norm(tokens[piece]))
            landmarks, gathered = self.second.landmarks(means.mean), OnlineSoftmax()
            for piece in _pieces(len(tokens)):
                normed = self.second_norm(tokens[piece])
                keys[piece], values = self.second.key(normed), self.second.value(normed)
                self.second.gather(landmarks, keys[piece], values, gathered)
                if piece.start == 0:
                    first_values = values
            asking = self.second_norm(tokens[:1])
            near = self.second.neighbours(first_values, 0, 1)
            token = tokens[:1] + self.second.give(landmarks, gathered.mean, asking, near)
            attention = _over_tiles(self.second.weights(landmarks, asking, keys), count)
            return self._answered(self.norm(token), attention[None])

    def _read(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """One bag (n, D): the class token (D,) and the attention over its tiles (n,)."""
        side = _side(len(tiles))
        repeated = tiles[: side**2 - len(tiles)]
        tokens = torch.cat([self.class_token, tiles, repeated])
        tokens = tokens + self.first(self.first_norm(tokens))
        square = self.position(tokens[1:].view(side, side, -1))
        token = tokens[:1]
        tokens = self.second_norm(torch.cat([token, square.reshape(side**2, -1)]))
        # The head reads the class token only, so the second layer need answer no other.
        landmarks = self.second.landmarks(segment_means(tokens, self.second.count))
        keys, values, gathered = self.second.key(tokens), self.second.value(tokens), OnlineSoftmax()
        self.second.gather(landmarks, keys, values, gathered)
        near = self.second.neighbours(values, 0, 1)
        token = token + self.second.give(landmarks, gathered.mean, tokens[:1], near)
        return self.norm(token)[0], _over_tiles(self.second.weights(landmarks, tokens[:1], keys), len(tiles))

    def _attend_in_place(self, tokens: Tensor) -> None:
        """The first layer on tokens (n, D), in pieces."""
        means = SegmentMeans(len(tokens), self.first.count)
        for piece in _pieces(len(tokens)):
            means.add(self.first_norm(tokens[piece]))
        landmarks, gathered = self.first.landmarks(means.mean), OnlineSoftmax()
        values = torch.empty_like(tokens)
        for piece in _pieces(len(tokens)):
            normed = self.first_norm(tokens[piece])
            values[piece] = self.first.value(normed)
            self.first.gather(landmarks, self.first.key(normed), values[piece], gathered)
        seen = gathered.mean
        for piece in _pieces(len(tokens)):
            near = self.first.neighbours(values, piece.start, piece.stop)
            tokens[piece] += self.first.give(landmarks, seen, self.first_norm(tokens[piece]), near)

    def _with_position(self, tokens: Tensor) -> Tensor:
        """PPEG on all but the class token, strip by strip."""
        side = math.isqrt(len(tokens) - 1)
        square, out = tokens[1:].view(side, side, -1), torch.empty_like(tokens)
        out[:1] = tokens[:1]
        for top in range(0, side, ROWS_A_STRIP):
            bottom = min(top + ROWS_A_STRIP, side)
            out[1 + top * side : 1 + bottom * side] = self.position.strip(square, top, bottom).flatten(0, 1)
        return out

    def _answered(self, embedding: Tensor, attention: Tensor) -> BagAnswer:
        logits = self.head(embedding)
        return BagAnswer(logits, embedding, attention, None, torch.zeros_like(logits[0]))


def _side(tiles: int) -> int:
    """Side of the smallest square that holds all tiles."""
    return math.isqrt(tiles - 1) + 1


def _pieces(length: int) -> Iterator[slice]:
    for start in range(0, length, TILES_A_CHUNK):
        yield slice(start, min(start + TILES_A_CHUNK, length))


def _over_tiles(weights: Tensor, count: int) -> Tensor:
    """Attention (count,) over the tiles from the class token's weights over all tokens."""
    positive = weights[1:].clamp(min=0)
    own, repeated = positive[:count], positive[count:]
    attention = own + nnf.pad(repeated, (0, count - len(repeated)))
    total = attention.sum()
    return torch.where(total > 0, attention / total.clamp(min=torch.finfo(total.dtype).tiny), 1.0 / count)


TRANSMIL = PoolingFacts(
    name="transmil",
    title="TransMIL",
    source="Shao et al.: TransMIL, NeurIPS 2021 (arXiv 2106.00908)",
    attention="What the class token of the last layer attends to; tiles have no contributions of their own.",
    build=TransMilClassifier,
    exact_contributions=False,
    weighted_mean=False,
    order_matters=True,
)
