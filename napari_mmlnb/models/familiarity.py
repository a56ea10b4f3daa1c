r"""How far a tile lies from the tiles that a bundle was trained on, and a slide from its slides.

.. math::

    s(x) = \frac{1}{D}\Big(\sum_{k} \frac{z_k^2}{\lambda_k} + \frac{\lVert r \rVert^2}{\sigma^2}\Big), \qquad
    z = C(x - \mu), \quad r = (x - \mu) - C^\top z

the Mahalanobis distance under probabilistic principal components, per dimension: 1 is what a training tile has on
average. Slides are rows as tiles are, of what their tiles have in common. Source: Tipping and Bishop, Probabilistic
principal component analysis, J. R. Stat. Soc. B 61 (1999).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

TRIMMED = 0.1
"""Share of a slide's tiles that is left out at either end of each feature: a few odd tiles do not make a slide odd."""

LEAST_VARIANCE = 1e-9
"""What a variance is taken for at least, lest rows that are all alike make everything else infinitely far."""


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
        x = self.standardise(tiles)
        _fit_components(self, x)

    def standardise(self, tiles: Tensor) -> Tensor:
        """(N, D) tile features in units of the training tiles' spread, about their mean."""
        return (tiles - self.mean) * self.scale

    def forward(self, tiles: Tensor) -> Tensor:
        """Score (N, D) tile features: (N,) float32, about 1 for familiar tiles, larger for strange ones."""
        return _distance(self, self.standardise(tiles))


class SlideFamiliarity(nn.Module):
    """The same for whole slides: one row a slide, the trimmed mean of its standardised tiles.

    What differs from tile to tile averages out, and what all tiles of a slide share is left: stain, scanner, make-up of
    the tissue. A change of stain that is small beside the variety of tiles is large beside the variety of slides.

    Parameters
    ----------
    features : int
        D.
    rank : int
        Number of principal components kept, below the number of slides that it is fitted on.
    """

    mean: Tensor
    components: Tensor
    variance: Tensor
    noise: Tensor

    def __init__(self, features: int, rank: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("components", torch.zeros(rank, features))
        self.register_buffer("variance", torch.ones(rank))
        self.register_buffer("noise", torch.ones(()))

    def fit(self, slides: Tensor) -> None:
        """Learn the Gaussian from (S, D) float32 rows of `slide_row`, S above the rank."""
        self.mean.copy_(slides.mean(dim=0))
        _fit_components(self, slides - self.mean)

    def forward(self, slides: Tensor) -> Tensor:
        """Score (S, D) rows: (S,) float32, about 1 for the slides that it was fitted on, larger for strange ones."""
        return _distance(self, slides - self.mean)


def slide_row(tiles: Tensor) -> Tensor:
    """What the tiles of a slide have in common.

    Parameters
    ----------
    tiles : Tensor
        (N, D) standardised features, N at least 1.

    Returns
    -------
    Tensor
        (D,), the mean of each feature without the `TRIMMED` share of tiles at either end.
    """
    cut = int(len(tiles) * TRIMMED)
    ordered = torch.from_numpy(np.sort(tiles.cpu().numpy(), axis=0))  # NumPy's sort takes a sixth of PyTorch's time
    return ordered[cut : len(tiles) - cut].mean(dim=0)


def _fit_components(model: Familiarity | SlideFamiliarity, x: Tensor) -> None:
    """Principal components of centred (N, D) rows, their variances, and the mean variance of what they leave."""
    values, vectors = torch.linalg.eigh((x.T @ x).double() / len(x))
    rank = len(model.variance)
    model.components.copy_(vectors[:, -rank:].T.float())
    model.variance.copy_(values[-rank:].clamp(min=LEAST_VARIANCE).float())
    model.noise.copy_(values[:-rank].clamp(min=0).mean().clamp(min=LEAST_VARIANCE).float())


def _distance(model: Familiarity | SlideFamiliarity, x: Tensor) -> Tensor:
    """Squared distance a dimension of centred (N, D) rows, (N,)."""
    z = x @ model.components.T
    residual = (x * x).sum(dim=1) - (z * z).sum(dim=1)
    return ((z * z / model.variance).sum(dim=1) + residual.clamp(min=0) / model.noise) / x.shape[1]
