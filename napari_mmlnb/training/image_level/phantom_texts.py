"""What the descriptions of phantom images are made of: pixels, truth, or a made-up patient file.

- "measured": the measured describer's sentences, from the pixels alone; as the paper's, they add nothing to the image.
- "truth": a pathologist's checklist answered from the truth; for the fine-tuning of describing models.
- "clinical": findings of the patient that no pixel shows, drawn with chances that depend on the subtype. The chances
  are made up, of no study: such a cohort checks the code and says nothing of any tumour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from napari_mmlnb.describe.base import EvidenceTile
from napari_mmlnb.describe.measured import MeasuredDescriber
from napari_mmlnb.phantom.attributes import TileContent, checklist
from napari_mmlnb.phantom.captions import caption
from napari_mmlnb.phantom.truth import Subtype, TileAttributes
from napari_mmlnb.registry import Registry

MEASURED = "measured"


@dataclass(frozen=True)
class PhantomTile:
    """A tile of a phantom, with its truth."""

    picture: EvidenceTile
    truth: TileAttributes
    subtype: Subtype


@dataclass(frozen=True)
class PhantomText:
    """A kind of text.

    Parameters
    ----------
    name : str
        As `--texts` takes it.
    write : callable
        The texts of one phantom's tiles, given its seed.
    """

    name: str
    write: Callable[[Sequence[PhantomTile], int], list[str]]


def _measured(tiles: Sequence[PhantomTile], _: int) -> list[str]:
    return [" ".join(one.sentences) for one in MeasuredDescriber().describe([tile.picture for tile in tiles])]


def _truth(tiles: Sequence[PhantomTile], seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    return [caption(checklist(TileContent.of([tile.truth])), random) for tile in tiles]


_CLINICAL: MappingProxyType[str, MappingProxyType[str, float]] = MappingProxyType(
    {
        "MYCN is amplified.": MappingProxyType({"ud": 0.6, "pd": 0.25, "d": 0.05}),
        "Urinary catecholamines are raised.": MappingProxyType({"ud": 0.35, "pd": 0.8, "d": 0.7}),
        "The child is younger than 18 months.": MappingProxyType({"ud": 0.3, "pd": 0.45, "d": 0.75}),
        "There are metastases.": MappingProxyType({"ud": 0.75, "pd": 0.5, "d": 0.2}),
    }
)
"""A finding to its chance in a phantom of each subtype; made up."""


def _clinical(tiles: Sequence[PhantomTile], seed: int) -> list[str]:
    """The same for all tiles of a phantom: it is one patient."""
    random = np.random.default_rng([seed, 1])
    found = {text: random.random() < chances[tiles[0].subtype] for text, chances in _CLINICAL.items() if tiles}
    said = " ".join(text if yes else f"Not so: {text[0].lower()}{text[1:]}" for text, yes in found.items())
    return [said] * len(tiles)


TEXTS = Registry(
    "kind of text", (PhantomText(MEASURED, _measured), PhantomText("truth", _truth), PhantomText("clinical", _clinical))
)
