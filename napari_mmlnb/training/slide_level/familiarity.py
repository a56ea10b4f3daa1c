"""What training and calibration slides teach about what is familiar: Gaussians of tiles and slides, and limits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_mmlnb.bundles.calibration import FamiliarityLimits
from napari_mmlnb.models.familiarity import Familiarity, SlideFamiliarity, slide_row
from napari_mmlnb.training.slide_level.bags import SlideBag

TILES_PER_SLIDE = 150
SLIDE_RANK = 30
"""Principal components kept of slides, fewer where there are fewer slides."""

SLIDE_QUANTILE, SLIDE_MARGIN = 0.95, 1.1
"""The limit of a slide's distance is this quantile over the calibration slides, times this margin."""
MEDIAN_MARGIN = 1.5
"""The limit of the median tile's distance is the largest among the calibration slides, times this margin."""
TILE_QUANTILE, TILE_MARGIN = 0.99, 1.25
"""A tile is foreign beyond this quantile over the calibration slides' tiles, times this margin."""
SHARE_MARGIN, LEAST_SHARE = 1.5, 0.1
"""The limit of the share of foreign tiles is the largest among the calibration slides, times this margin, or this."""

TILE_COUNTS = (4, 8, 16, 32, 48)
"""For so many tiles there are limits of a slide's distance: from the fewest that are answered from to a small slide."""
_DRAWS = 8

Float32 = npt.NDArray[np.float32]


def fit_familiarity(model: Familiarity, bags: tuple[SlideBag, ...], seed: int) -> None:
    """Learn what training tiles look like, each slide counting alike."""
    rng = np.random.default_rng(seed)
    tiles = [bag.features[rng.permutation(len(bag.features))[:TILES_PER_SLIDE]] for bag in bags]
    model.fit(torch.from_numpy(np.concatenate(tiles)))


def fit_slides(tiles: Familiarity, bags: tuple[SlideBag, ...]) -> SlideFamiliarity:
    """Learn what training slides as a whole look like.

    Parameters
    ----------
    tiles : Familiarity
        Fitted on their tiles.
    bags : tuple of SlideBag
        The training slides, at least two.
    """
    rows = torch.stack([_row(tiles, bag.features) for bag in bags])
    slides = SlideFamiliarity(rows.shape[1], min(SLIDE_RANK, len(rows) // 2))
    slides.fit(rows)
    return slides.eval()


def familiarity_limits(
    tiles: Familiarity, slides: SlideFamiliarity, bags: tuple[SlideBag, ...], seed: int
) -> FamiliarityLimits:
    """Limits from the calibration slides, which neither Gaussian has seen.

    Parameters
    ----------
    tiles, slides
        Fitted on the training slides.
    bags : tuple of SlideBag
        The calibration slides.
    seed : int
        Of the tiles that stand for slides with few tiles.
    """
    with torch.inference_mode():
        distances = [tiles(torch.from_numpy(np.array(bag.features))).numpy() for bag in bags]
    foreign = float(np.quantile(np.concatenate(distances), TILE_QUANTILE)) * TILE_MARGIN
    shares = [float(np.mean(one > foreign)) for one in distances]
    rng = np.random.default_rng(seed)
    return FamiliarityLimits(
        tile_median=MEDIAN_MARGIN * max(float(np.median(one)) for one in distances),
        slide=tuple((count, SLIDE_MARGIN * _quantile(tiles, slides, bags, count, rng)) for count in TILE_COUNTS),
        foreign_tile=foreign,
        foreign_share=min(1.0, max(LEAST_SHARE, SHARE_MARGIN * max(shares))),
    )


def slide_distances(tiles: Familiarity, slides: SlideFamiliarity, bags: tuple[SlideBag, ...]) -> Float32:
    """Distance of each slide as a whole, (S,) float32."""
    rows = torch.stack([_row(tiles, bag.features) for bag in bags])
    with torch.inference_mode():
        scores: Float32 = slides(rows).numpy()
    return scores


def _quantile(
    tiles: Familiarity, slides: SlideFamiliarity, bags: tuple[SlideBag, ...], count: int, rng: np.random.Generator
) -> float:
    """What as many slides as the quantile says stay within, each seen through so many of its tiles at random."""
    rows = [
        _row(tiles, bag.features[rng.permutation(len(bag.features))[:count]]) for bag in bags for _ in range(_DRAWS)
    ]
    with torch.inference_mode():
        scores = slides(torch.stack(rows)).numpy()
    return float(np.quantile(scores, SLIDE_QUANTILE, method="higher"))


def _row(tiles: Familiarity, features: Float32) -> Tensor:
    with torch.inference_mode():
        return slide_row(tiles.standardise(torch.from_numpy(np.array(features))))
