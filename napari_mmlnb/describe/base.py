"""The seam between image and sentences.

A describer sees evidence tiles and says what it sees, never which class it thinks it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from napari_mmlnb.geometry import Region
from napari_mmlnb.result import Description, Measurement


@dataclass(frozen=True)
class EvidenceTile:
    """A tile to be described.

    Parameters
    ----------
    rank : int
        From 1, by attention.
    rgb : ndarray
        (h, w, 3) uint8.
    um_per_px : float
        Of `rgb`, both axes (tiles are resampled to square pixels).
    region : Region
        Where it lies on the slide.
    """

    rank: int
    rgb: npt.NDArray[np.uint8]
    um_per_px: float
    region: Region


@dataclass(frozen=True)
class TileDescription:
    """What was said and measured of one tile."""

    rank: int
    sentences: tuple[str, ...]
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True)
class DescriberFacts:
    """What a person needs to know of a describer before using it."""

    name: str
    summary: str
    licence: str
    extra: str = ""


class Describer(Protocol):
    """Tiles in, sentences out."""

    facts: DescriberFacts

    def describe(self, tiles: Sequence[EvidenceTile]) -> Iterator[TileDescription]:
        """One description a tile, in order, each as soon as it is ready."""
        ...

    def summarise(self, descriptions: Sequence[TileDescription]) -> Description:
        """Put the tiles' sentences together; never says more than they do."""
        ...
