"""How often a describing model says of a tile what is true of it, an attribute."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_mmlnb.describe.base import Describer, EvidenceTile
from napari_mmlnb.geometry import Region
from napari_mmlnb.phantom.attributes import ATTRIBUTES, checklist
from napari_mmlnb.phantom.captions import read_caption
from napari_mmlnb.training.small_vlm.tiles import MPP, SIDE_PX, TileSet

_AT_ONCE = 8
"""Tiles that a run describes together."""


@dataclass(frozen=True)
class AttributeAccuracy:
    """Of one attribute, over all tiles; what is not said is wrong.

    Parameters
    ----------
    accuracy : float
        Share of tiles of which the true band was said.
    balanced : float
        The same, mean over the true bands: always saying the commonest gets 1 / bands.
    commonest : float
        Accuracy of always saying the commonest band.
    """

    accuracy: float
    balanced: float
    commonest: float


@dataclass(frozen=True)
class DescriberAccuracy:
    """Of all attributes.

    Parameters
    ----------
    attributes : dict of str to AttributeAccuracy
        By name.
    tiles : int
        How many were described.
    seconds_a_tile : float
        Time from pixels to sentences, loading apart.
    silent : int
        Tiles of which nothing passed the guard.
    """

    attributes: dict[str, AttributeAccuracy]
    tiles: int
    seconds_a_tile: float
    silent: int

    @property
    def mean(self) -> float:
        """Mean accuracy of the attributes."""
        return float(np.mean([one.accuracy for one in self.attributes.values()]))

    def lines(self) -> list[str]:
        """For a person."""
        head = f"{self.tiles} tiles: mean accuracy {self.mean:.3f}, {self.seconds_a_tile:.3f} s a tile"
        return [
            head + (f", nothing said of {self.silent}" if self.silent else ""),
            *(
                f"{name:16s} {one.accuracy:.3f} (balanced {one.balanced:.3f}, commonest {one.commonest:.3f})"
                for name, one in self.attributes.items()
            ),
        ]


def describer_accuracy(describer: Describer, tiles: TileSet) -> DescriberAccuracy:
    """Have every tile described, as a run does, and read what was said against the truth."""
    contents = tiles.contents()
    said: list[str] = []
    began = 0.0
    for first in range(0, len(tiles), _AT_ONCE):
        shown = [_shown(tiles, first + i) for i in range(min(_AT_ONCE, len(tiles) - first))]
        complete = {one.rank: " ".join(one.sentences) for one in describer.describe(shown) if one.complete}
        said += [complete[tile.rank] for tile in shown]
        # The first tiles load the model.
        began = began or time.monotonic()
    seconds = (time.monotonic() - began) / max(1, len(tiles) - _AT_ONCE)
    answers = [read_caption(text) for text in said]
    truths = [checklist(content) for content in contents]
    return DescriberAccuracy(
        {a.name: _accuracy([t[a.name] for t in truths], [s.get(a.name, "") for s in answers]) for a in ATTRIBUTES},
        tiles=len(tiles),
        seconds_a_tile=seconds,
        silent=sum(not text for text in said),
    )


def _accuracy(truth: Sequence[str], said: Sequence[str]) -> AttributeAccuracy:
    true = np.array(truth)
    right = true == np.array(said)
    bands, counts = np.unique(true, return_counts=True)
    return AttributeAccuracy(
        accuracy=float(right.mean()),
        balanced=float(np.mean([right[true == band].mean() for band in bands])),
        commonest=float(counts.max() / counts.sum()),
    )


def _shown(tiles: TileSet, index: int) -> EvidenceTile:
    side = SIDE_PX * MPP
    return EvidenceTile(index + 1, np.ascontiguousarray(tiles.pixels[index]), MPP, Region(0.0, 0.0, side, side))
