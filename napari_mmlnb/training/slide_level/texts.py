"""The texts of a cohort: descriptions of the tiles that attention may choose.

Our design, after MMLNB: the tiles to be described are candidates, the most attended ones of an image-only warm-up;
while training goes on, the text of a slide is made from those candidates that the network attends to at that moment,
as it will be in use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_mmlnb.bundles.spec import EvidenceSpec
from napari_mmlnb.describe.base import Describer, EvidenceTile, TileDescription
from napari_mmlnb.inference.evidence import select_evidence
from napari_mmlnb.slides.tile_grid import TileGrid
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.training.slide_level.bags import Optics, SlideBag
from napari_mmlnb.training.slide_level.cohort import opened_slide

CANDIDATES = 24


@dataclass(frozen=True)
class Candidates:
    """Described tiles of a slide.

    Parameters
    ----------
    indices : ndarray
        (c,) int64 into the bag.
    said : tuple of TileDescription
        In the same order.
    """

    indices: npt.NDArray[np.int64]
    said: tuple[TileDescription, ...]


def describe_cohort(
    bags: tuple[SlideBag, ...],
    attention: list[npt.NDArray[np.float32]],
    describer: Describer,
    optics: Optics,
    choice: EvidenceSpec,
    log: Callable[[str], None],
    count: int = CANDIDATES,
) -> tuple[Candidates, ...]:
    """Describe each slide's candidates, so many of them."""
    described = []
    for number, (bag, weights) in enumerate(zip(bags, attention, strict=True), start=1):
        indices = select_evidence(weights, bag.cells, count, choice.apart)
        pictures = list(_tiles(bag, indices, optics))
        said = tuple(one for one in describer.describe(pictures) if one.complete)
        described.append(Candidates(indices, said))
        if number % 20 == 0 or number == len(bags):
            log(f"described candidates of {number} of {len(bags)} slides")
    return tuple(described)


def _tiles(bag: SlideBag, indices: npt.NDArray[np.int64], optics: Optics) -> Iterator[EvidenceTile]:
    with opened_slide(bag.slide) as slide:
        grid = TileGrid(optics.tiles(slide).grid, bag.cells[indices], optics.tile_px, optics.um_per_px)
        reader = TileReader(slide, grid, batch=len(indices), threads=1)
        try:
            for batch in reader:
                for i, pixels in zip(batch.indices, batch.pixels, strict=True):
                    yield EvidenceTile(int(i) + 1, pixels, grid.um_per_px, grid.region(int(i)))
        finally:
            reader.close()


def slide_text(
    candidates: Candidates,
    attention: npt.NDArray[np.float32],
    cells: npt.NDArray[np.int32],
    describer: Describer,
    choice: EvidenceSpec,
) -> str:
    """The description of a slide under the attention of the moment, (n,) over its whole bag.

    Empty where the describer said nothing of any of its tiles.
    """
    indices = candidates.indices
    picked = select_evidence(attention[indices], cells[indices], choice.tiles, choice.apart)
    ranked = [
        TileDescription(rank, candidates.said[i].sentences, candidates.said[i].measurements)
        for rank, i in enumerate(picked, start=1)
    ]
    spoken = [tile for tile in ranked if tile.sentences]
    return describer.summarise(spoken).text if spoken else ""
