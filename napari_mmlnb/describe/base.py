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
    """What was said and measured of one tile.

    Parameters
    ----------
    rank : int
        Of the tile.
    sentences : tuple of str
        What was said.
    measurements : tuple of Measurement
        What was measured; empty where a model speaks.
    faults : tuple of str
        Why something that a model said was left out (`guard.FAULTS`); empty where nothing was.
    complete : bool
        Whether more sentences of this tile may follow: a model's are told as they are generated.
    """

    rank: int
    sentences: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    faults: tuple[str, ...] = ()
    complete: bool = True


@dataclass(frozen=True)
class DescriberFacts:
    """What a person needs to know of a describer before using it.

    Parameters
    ----------
    name : str
        As `--describer` takes it.
    summary : str
        One line.
    licence : str
        Of its weights.
    extra : str
        What must be installed for it; empty where nothing.
    generates : bool
        Whether a model speaks, whose words may be wrong, and not a measurement.
    sends_to : str
        Address that the tiles are sent to; empty where they stay in this process.
    model : str
        Which of a server's models answers; empty while that is not known, and where there is no server.
    device, precision : str
        Where a model in this process computes and what its weights are held in, on which its words depend; empty
        before it was loaded, and where another program computes.
    weights_sha256 : str
        Digest of its weights (`vlm_folder.weights_digest`); empty before it was loaded, and where `revision` says it.
    revision : str
        Commit of a model from the hub.
    needs : str
        What must be done before it can be used, with the command; empty where nothing.
    """

    name: str
    summary: str
    licence: str
    extra: str = ""
    generates: bool = False
    sends_to: str = ""
    model: str = ""
    device: str = ""
    precision: str = ""
    weights_sha256: str = ""
    revision: str = ""
    needs: str = ""


class Describer(Protocol):
    """Tiles in, sentences out."""

    @property
    def facts(self) -> DescriberFacts:
        """What is known of it."""
        ...

    def describe(self, tiles: Sequence[EvidenceTile]) -> Iterator[TileDescription]:
        """Descriptions of the tiles, the complete ones in the tiles' order, each as soon as it is ready.

        A complete one is the last of its tile; growing ones may come before it, of several tiles in turns.
        """
        ...

    def summarise(self, descriptions: Sequence[TileDescription]) -> Description:
        """Put the tiles' sentences together; never says more than they do."""
        ...

    def close(self) -> None:
        """Free what is held: a model's memory, a connection. It may describe again afterwards."""
        ...
