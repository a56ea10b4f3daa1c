"""How far a slide lies from what a bundle has seen: tile by tile, and as a whole."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.inference.encoding import FeatureArray
from napari_mmlnb.models.familiarity import slide_row
from napari_mmlnb.result import ForeignTiles, Shift, SlideShift

MOST_TILES_OF_A_ROW = 1024
"""So many tiles, evenly spaced over the slide, make its row: more would hardly move a mean."""
FEWEST_FOREIGN = 3
"""So many tiles at least must be foreign before their share counts: of few tiles one is soon a large share."""
_CHUNK = 512


def tile_distances(bundle: Bundle, features: FeatureArray) -> npt.NDArray[np.float32]:
    """Distance of each tile from the training tiles, (n,) float32; 1 is usual.

    Parameters
    ----------
    bundle : Bundle
        What has seen the training tiles.
    features : ndarray
        (n, F) float32.
    """
    # In pieces that stay in the processor's cache.
    parts = (torch.from_numpy(features[first : first + _CHUNK]) for first in range(0, len(features), _CHUNK))
    with torch.inference_mode():
        scores = [bundle.familiarity(part) for part in parts]
    return torch.cat(scores).numpy() if scores else np.zeros(0, np.float32)


def measure_shift(bundle: Bundle, features: FeatureArray, distances: npt.NDArray[np.float32]) -> Shift:
    """How far a slide lies from what the bundle has seen.

    Parameters
    ----------
    bundle : Bundle
        What has seen it.
    features : ndarray
        (n, F) float32 of the slide's tiles, in the order of the grid, n at least 1.
    distances : ndarray
        (n,), what `tile_distances` gives for them.

    Returns
    -------
    Shift
        Scores with their limits.
    """
    limits = bundle.calibration.familiarity
    foreign = int(np.count_nonzero(distances > limits.foreign_tile))
    share = foreign / len(distances)
    return Shift(
        score=float(np.median(distances)),
        limit=limits.tile_median,
        slide=SlideShift(score=slide_distance(bundle, features), limit=limits.slide_limit(len(features))),
        foreign_tiles=ForeignTiles(
            count=foreign,
            share=share,
            limit=limits.foreign_share,
            tile_limit=limits.foreign_tile,
            beyond=foreign >= FEWEST_FOREIGN and share > limits.foreign_share,
        ),
    )


def slide_distance(bundle: Bundle, features: FeatureArray) -> float:
    """Distance of a slide as a whole from the training slides; 1 is what one of them has."""
    tiles = bundle.familiarity.standardise(torch.from_numpy(evenly(features, MOST_TILES_OF_A_ROW)))
    with torch.inference_mode():
        return float(bundle.slide_familiarity(slide_row(tiles)[None])[0])


def looks_familiar(bundle: Bundle, features: FeatureArray) -> bool:
    """Whether the tiles seen so far, (n, F), n at least 1, pass all limits; judged on a part of them, for speed."""
    some = evenly(features, MOST_TILES_OF_A_ROW)
    return not measure_shift(bundle, some, tile_distances(bundle, some)).beyond


def evenly(features: FeatureArray, most: int) -> FeatureArray:
    """At most so many rows, evenly spaced."""
    if len(features) <= most:
        return features
    return features[np.linspace(0, len(features) - 1, most).astype(np.int64)]
