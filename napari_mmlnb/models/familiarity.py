r"""How far a tile lies from the tiles that a bundle was trained on.

.. math::

    s(x) = \frac{1}{D}\Big(\sum_{k} \frac{z_k^2}{\lambda_k} + \frac{\lVert r \rVert^2}{\sigma^2}\Big), \qquad
    z = C(x - \mu), \quad r = (x - \mu) - C^\top z

the Mahalanobis distance under probabilistic principal components, per dimension: 1 is what a training tile has on
average. Source: Tipping and Bishop, Probabilistic principal component analysis, J. R. Stat. Soc. B 61 (1999).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Familiarity(nn.Module):
    """A Gaussian of tile features with a low-rank covariance plus noise.

    Parameters
    ----------
    features : int
        D, length of a tile's feature vector.
    rank : int
        Number of principal components kept.
    """

    mean: Tensor
    scale: Tensor
    components: Tensor
    variance: Tensor
    noise: Tensor

    def __init__(self, features: int, rank: int = 48) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.register_buffer("components", torch.zeros(rank, features))
        self.register_buffer("variance", torch.ones(rank))
        self.register_buffer("noise", torch.ones(()))

    def fit(self, tiles: Tensor) -> None:
        """Learn the Gaussian from (N, D) float32 tile features, N above the rank."""
        self.mean.copy_(tiles.mean(dim=0))
        self.scale.copy_(1 / tiles.std(dim=0).clamp(min=1e-6))
        x = (tiles - self.mean) * self.scale
        values, vectors = torch.linalg.eigh((x.T @ x).double() / len(x))
        rank = len(self.variance)
        self.components.copy_(vectors[:, -rank:].T.float())
        self.variance.copy_(values[-rank:].float())
        self.noise.copy_(values[:-rank].clamp(min=0).mean().float())

    def forward(self, tiles: Tensor) -> Tensor:
        """Score (N, D) tile features: (N,) float32, about 1 for familiar tiles, larger for strange ones."""
        x = (tiles - self.mean) * self.scale
        z = x @ self.components.T
        residual = (x * x).sum(dim=1) - (z * z).sum(dim=1)
        return ((z * z / self.variance).sum(dim=1) + residual.clamp(min=0) / self.noise) / x.shape[1]
