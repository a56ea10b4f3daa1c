"""The describer that needs no model: it measures, and says in plain words what it measured."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from napari_mmlnb.describe.base import DescriberFacts, EvidenceTile, TileDescription
from napari_mmlnb.describe.measurements import measure_tile
from napari_mmlnb.describe.sentences import summary_sentences, tile_sentences, values_of
from napari_mmlnb.result import Description

FACTS = DescriberFacts(
    name="measured",
    summary="Measures nuclei, stains and texture of each evidence tile; needs no model and no network.",
    licence="BSD-3-Clause",
)


_THREADS = 4


class MeasuredDescriber:
    """Numbers with units, and sentences made of them by a fixed table.

    Deterministic: the same pixels give the same text. It names what things look like ("neuropil-like"), never a class.
    """

    facts = FACTS

    def describe(self, tiles: Sequence[EvidenceTile]) -> Iterator[TileDescription]:
        """One description a tile, in order, each as soon as it is ready.

        Raises
        ------
        ValueError
            If a tile is no RGB picture or its scale is not above zero.
        """
        with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1), "describe") as pool:
            under_way = [pool.submit(_describe, tile) for tile in tiles]
            try:
                for one in under_way:
                    yield one.result()
            finally:
                # Whoever stops early does not wait for what has not begun.
                pool.shutdown(wait=False, cancel_futures=True)

    def summarise(self, descriptions: Sequence[TileDescription]) -> Description:
        """Medians and ranges over the tiles, each sentence with the ranks of the tiles that it speaks of."""
        sentences = summary_sentences(descriptions)
        text = " ".join(sentence.text for sentence in sentences)
        return Description(text=text, describer=self.facts.name, sentences=sentences)

    def close(self) -> None:
        """Nothing is held."""


def _describe(tile: EvidenceTile) -> TileDescription:
    measurements = measure_tile(tile.rgb, tile.um_per_px)
    return TileDescription(tile.rank, tile_sentences(values_of(measurements)), measurements)
