"""What a pathologist would look for in a tile: from the numbers of the truth to the answers of a checklist."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from napari_mmlnb.phantom.truth import TileAttributes

LEAST_CELLS = 20
"""Neuroblastic cells under which a tile's MKI is not told: a percentage of fewer says nothing."""


@dataclass(frozen=True)
class TileContent:
    """What a square of tissue holds.

    Parameters
    ----------
    neuropil, necrosis, calcification : float
        Shares of its area, 0 to 1.
    cells, differentiating, dividing, rosettes : int
        Neuroblastic cells; those of them that are differentiating or ganglion-like; mitotic or karyorrhectic; and
        rosettes whose centre lies inside.
    """

    neuropil: float
    necrosis: float
    calcification: float
    cells: int
    differentiating: int
    dividing: int
    rosettes: int

    @classmethod
    def of(cls, squares: Iterable[TileAttributes]) -> TileContent:
        """Of one or more squares of the same size that make up a tile."""
        parts = tuple(squares)
        return cls(
            neuropil=sum(part.neuropil for part in parts) / len(parts),
            necrosis=sum(part.necrosis for part in parts) / len(parts),
            calcification=sum(part.calcification for part in parts) / len(parts),
            cells=sum(part.neuroblastic_cells for part in parts),
            differentiating=sum(round(part.differentiating * part.neuroblastic_cells) for part in parts),
            dividing=sum(round(part.mki * part.neuroblastic_cells / 100) for part in parts),
            rosettes=sum(part.rosettes for part in parts),
        )


@dataclass(frozen=True)
class Attribute:
    """A line of the checklist.

    Parameters
    ----------
    name : str
        As a table of accuracies has it.
    bands : tuple of str
        The possible answers.
    band : callable
        Number of the true answer.
    """

    name: str
    bands: tuple[str, ...]
    band: Callable[[TileContent], int]


def _neuropil(content: TileContent) -> int:
    return int(content.neuropil >= 0.05) + int(content.neuropil >= 0.4)


def _differentiating(content: TileContent) -> int:
    """At least 5 % of the neuroblastic cells: the share that parts PD from D (INPC), here of one tile."""
    return int(content.differentiating >= 0.05 * max(content.cells, 1))


def _mki(content: TileContent) -> int:
    """Bands of the INPC: low under 2 %, high over 4 %."""
    if content.cells < LEAST_CELLS:
        return 3
    share = 100 * content.dividing / content.cells
    return int(share >= 2) + int(share > 4)


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute("neuropil", ("absent", "some", "abundant"), _neuropil),
    Attribute("differentiating", ("absent", "present"), _differentiating),
    Attribute("mki", ("low", "intermediate", "high", "not countable"), _mki),
    Attribute("necrosis", ("absent", "present"), lambda content: int(content.necrosis >= 0.05)),
    Attribute("rosettes", ("absent", "present"), lambda content: int(content.rosettes > 0)),
    Attribute("calcification", ("absent", "present"), lambda content: int(content.calcification > 0)),
)

Checklist = Mapping[str, str]
"""Name of an attribute to its band."""


def checklist(content: TileContent) -> dict[str, str]:
    """The true answers for a tile."""
    return {attribute.name: attribute.bands[attribute.band(content)] for attribute in ATTRIBUTES}
