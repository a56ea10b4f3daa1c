"""What the descriptions of phantom images are made of: pixels, truth, or a made-up patient file.

- "measured": the measured describer's sentences, from the pixels alone; as the paper's, they add nothing to the image.
- "truth": a pathologist's checklist answered from the truth; for the fine-tuning of describing models.
- "clinical": findings of the patient that no pixel shows, drawn with chances that depend on the subtype. The chances
  are made up, of no study: such a cohort checks the code and says nothing of any tumour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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


def _truth(tiles: Sequence[PhantomTile], _: int) -> list[str]:
    return [caption(checklist(TileContent.of([tile.truth]))) for tile in tiles]


@dataclass(frozen=True)
class _ClinicalFinding:
    """A finding in words, its absence in words, and its chance in each subtype; made up."""

    found: str
    absent: str
    chance: Mapping[Subtype, float]


_CLINICAL = (
    _ClinicalFinding("MYCN is amplified.", "MYCN is not amplified.", {"ud": 0.6, "pd": 0.25, "d": 0.05}),
    _ClinicalFinding(
        "Urinary catecholamines are raised.",
        "Urinary catecholamines are not raised.",
        {"ud": 0.35, "pd": 0.8, "d": 0.7},
    ),
    _ClinicalFinding(
        "The child is younger than 18 months.", "The child is older than 18 months.", {"ud": 0.3, "pd": 0.45, "d": 0.75}
    ),
    _ClinicalFinding("There are metastases.", "There are no metastases.", {"ud": 0.75, "pd": 0.5, "d": 0.2}),
)


def _clinical(tiles: Sequence[PhantomTile], seed: int) -> list[str]:
    """The same for all tiles of a phantom: it is one patient."""
    if not tiles:
        return []
    random = np.random.default_rng([seed, 1])
    said = [one.found if random.random() < one.chance[tiles[0].subtype] else one.absent for one in _CLINICAL]
    return [" ".join(said)] * len(tiles)


TEXTS = Registry(
    "kind of text", (PhantomText(MEASURED, _measured), PhantomText("truth", _truth), PhantomText("clinical", _clinical))
)
