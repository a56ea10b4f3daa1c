r"""Self-attention over many tokens at a cost that grows with their number, not with its square.

.. math::

    \hat A = \mathrm{softmax}(Q \tilde K^\top)\;
    \mathrm{softmax}(\tilde Q \tilde K^\top)^{+}\; \mathrm{softmax}(\tilde Q K^\top)

where the landmarks :math:`\tilde Q, \tilde K` are means over m stretches of the tokens, and + is the pseudo-inverse.

Source: Xiong et al.: Nystromformer, AAAI 2021 (arXiv 2102.03902); with a depthwise convolution over the values beside
it, as there. Stretches of as equal a length as n allows take the place of padding with zeros (our design, after Xiong
et al.), so that nothing but tokens enters the means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from napari_mmlnb.models.pooling.chunks import OnlineSoftmax

PINV_STEPS = 6
"""Of the iteration for the pseudo-inverse (Xiong et al. 2021)."""


@dataclass(frozen=True)
class Landmarks:
    """What stands for all tokens.

    Parameters
    ----------
    queries, keys : Tensor
        (heads, m, d), the queries scaled.
    inverse : Tensor
        (heads, m, m), the pseudo-inverse of the landmarks' attention to each other.
    """

    queries: Tensor
    keys: Tensor
    inverse: Tensor


class NystromAttention(nn.Module):
    """Multi-head Nystrom attention on one sequence.

    In three steps, so that a long sequence can be worked on in pieces: `landmarks` from means of the tokens, `gather`
    what the landmarks see of them, `give` it to the tokens that ask.

    Parameters
    ----------
    dimension : int
        D, length of a token.
    heads : int
        Divides D.
    landmarks : int
        m; as many as tokens where there are fewer of those.
    kernel : int
        Length of the convolution over the values, odd.
    """

    def __init__(self, dimension: int, heads: int = 8, landmarks: int = 256, kernel: int = 33) -> None:
        super().__init__()
        if dimension % heads:
            raise ValueError(f"{heads} heads do not divide a token of {dimension}")
        self.heads, self.count, self.reach = heads, landmarks, kernel // 2
        self.query = nn.Linear(dimension, dimension, bias=False)
        self.key = nn.Linear(dimension, dimension, bias=False)
        self.value = nn.Linear(dimension, dimension, bias=False)
        self.out = nn.Linear(dimension, dimension)
        self.near = nn.Conv1d(heads, heads, kernel, groups=heads, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (n, D) to (n, D)."""
        landmarks = self.landmarks(segment_means(tokens, self.count))
        gathered, values = OnlineSoftmax(), self.value(tokens)
        self.gather(landmarks, self.key(tokens), values, gathered)
        return self.give(landmarks, gathered.mean, tokens, self.neighbours(values, 0, len(tokens)))

    def landmarks(self, means: Tensor) -> Landmarks:
        """Landmarks from means of tokens, (m, D)."""
        # Queries and keys are linear, without offsets: the mean of theirs is theirs of the mean.
        queries, keys = self._asked(means), self._split(self.key(means))
        return Landmarks(queries, keys, pseudo_inverse(torch.softmax(queries @ keys.mT, dim=-1)))

    def gather(self, landmarks: Landmarks, keys: Tensor, values: Tensor, into: OnlineSoftmax) -> None:
        """Add what the landmarks see of some tokens, given by their keys and values (n, D)."""
        into.add(landmarks.queries @ self._split(keys).mT, self._split(values))

    def give(self, landmarks: Landmarks, gathered: Tensor, asking: Tensor, near: Tensor) -> Tensor:
        """The answer for tokens (a, D).

        Parameters
        ----------
        landmarks : Landmarks
            Of the sequence.
        gathered : Tensor
            (heads, m, d), what they saw of all tokens.
        asking : Tensor
            (a, D), some of the tokens.
        near : Tensor
            (a, D), their `neighbours`.
        """
        given = torch.softmax(self._asked(asking) @ landmarks.keys.mT, dim=-1) @ (landmarks.inverse @ gathered)
        answer: Tensor = self.out(given.transpose(0, 1).reshape(len(asking), -1) + near)
        return answer

    def neighbours(self, values: Tensor, start: int, stop: int) -> Tensor:
        """The convolution over the values of the sequence (n, D) at tokens `start` to `stop`, one kernel a head."""
        first, last = max(start - self.reach, 0), min(stop + self.reach, len(values))
        window = values[first:last].T[None]
        padding = (first - (start - self.reach), stop + self.reach - last)
        kernel = self.near.weight.repeat_interleave(values.shape[1] // self.heads, dim=0)
        return nnf.conv1d(nnf.pad(window, padding), kernel, groups=values.shape[1])[0].T

    def weights(self, landmarks: Landmarks, asking: Tensor, keys: Tensor) -> Tensor:
        """Approximate attention of one token (1, D) to all, given by their keys (n, D): mean over the heads, (n,).

        The pseudo-inverse may make some of it slightly negative.
        """
        rows = torch.softmax(self._asked(asking) @ landmarks.keys.mT, dim=-1) @ landmarks.inverse
        heads = zip(rows, landmarks.queries, self._split(keys), strict=True)  # one by one: m x n each is large
        return torch.stack([(row @ torch.softmax(query @ key.mT, dim=-1))[0] for row, query, key in heads]).mean(dim=0)

    def _asked(self, tokens: Tensor) -> Tensor:
        """Queries, scaled, (heads, n, d)."""
        return self._split(self.query(tokens)) / math.sqrt(self.query.out_features / self.heads)

    def _split(self, tokens: Tensor) -> Tensor:
        """(n, D) to (heads, n, d)."""
        return tokens.view(len(tokens), self.heads, -1).transpose(0, 1)


def segment_means(tokens: Tensor, count: int) -> Tensor:
    """Means over `count` stretches of tokens (n, D), of as equal a length as n allows; all tokens where n is less."""
    means = SegmentMeans(len(tokens), count)
    means.add(tokens)
    return means.mean


class SegmentMeans:
    """Means over stretches of a sequence that comes in pieces.

    Parameters
    ----------
    length : int
        n, tokens in all.
    count : int
        Stretches; n where that is less.
    """

    def __init__(self, length: int, count: int) -> None:
        self._length, self._count, self._seen = length, min(length, count), 0
        self._sum = torch.zeros(())

    def add(self, tokens: Tensor) -> None:
        """Take in the next tokens, (k, D)."""
        at = torch.arange(self._seen, self._seen + len(tokens), device=tokens.device)
        segments = at * self._count // self._length
        zeros = tokens.new_zeros(self._count, tokens.shape[1])
        self._sum = self._sum + zeros.index_add(0, segments, tokens)
        self._seen += len(tokens)

    @property
    def mean(self) -> Tensor:
        """(m, D), once all tokens are in."""
        at = torch.arange(self._length, device=self._sum.device)
        sizes = torch.bincount(at * self._count // self._length, minlength=self._count)
        return self._sum / sizes.unsqueeze(1)


def pseudo_inverse(matrices: Tensor, steps: int = PINV_STEPS) -> Tensor:
    """Moore-Penrose inverse of matrices (..., m, m) whose rows are softmaxes, by iteration (Xiong et al. 2021, eq. 11).

    Each matrix starts from its own norms, so that no head changes another's result.
    """
    norms = matrices.abs().sum(dim=-1).amax(dim=-1) * matrices.abs().sum(dim=-2).amax(dim=-1)
    inverse = matrices.mT / norms[..., None, None]
    identity = torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device)
    for _ in range(steps):
        product = matrices @ inverse
        inverse = 0.25 * inverse @ (13 * identity - product @ (15 * identity - product @ (7 * identity - product)))
    return inverse
