"""What is measured on a tile: one table, a line a number.

Names and units are part of `result.json` and stay as they are; a new number gets a new line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from napari_mmlnb.describe.cells import ample_cytoplasm, count_dark_fragments
from napari_mmlnb.describe.compartments import Compartment, map_compartments
from napari_mmlnb.describe.nuclei import NucleiTable, segment_nuclei
from napari_mmlnb.describe.stains import StainedTile, stain_tile
from napari_mmlnb.result import Measurement

MIN_TISSUE_PERCENT = 10.0
"""Share of tissue under which nothing but that share is measured, %."""

MIN_NUCLEI = 5
"""Nuclei under which nothing is said of their size or kinds."""


@dataclass(frozen=True)
class TileFindings:
    """A tile taken apart, ready to be measured.

    Parameters
    ----------
    tile : StainedTile
    nuclei : NucleiTable
    compartments : ndarray
        (h, w) uint8 of `Compartment`.
    ample : ndarray
        (n,) bool, nuclei of cells more than twice their nucleus across.
    fragments : int
        Dark clumped fragments.
    """

    tile: StainedTile
    nuclei: NucleiTable
    compartments: npt.NDArray[np.uint8]
    ample: npt.NDArray[np.bool_]
    fragments: int

    def share(self, compartment: Compartment) -> float:
        """Area of a compartment, % of the tissue."""
        counted = self.compartments != Compartment.GLASS
        return 100.0 * float((self.compartments == compartment).sum()) / max(1, int(counted.sum()))


@dataclass(frozen=True)
class Measure:
    """A number that can be measured on a tile.

    Parameters
    ----------
    name : str
        As `result.json` has it, snake_case.
    unit : str
        "1/mm2", "um", "%", "OD" or "1/100 nuclei".
    decimals : int
        Digits that a sentence gives; -2 is the nearest hundred.
    value : callable
        From the findings.
    of_nuclei : bool
        Needs `MIN_NUCLEI` nuclei.
    """

    name: str
    unit: str
    decimals: int
    value: Callable[[TileFindings], float]
    of_nuclei: bool = False

    def rounded(self, value: float) -> str:
        """The number as sentences write it, without its unit."""
        rounded = round(value, self.decimals)
        return f"{rounded:.{max(0, self.decimals)}f}"


def _fraction(name: str, compartment: Compartment) -> Measure:
    return Measure(name, "%", 0, lambda found: found.share(compartment))


def _tissue(found: TileFindings) -> float:
    return 100.0 * float(found.tile.tissue.mean())


def _density(found: TileFindings) -> float:
    return found.nuclei.effective_count / found.tile.tissue_mm2


def _diameters(found: TileFindings) -> npt.NDArray[np.float64]:
    """Of whole nuclei; of all where every one is cut."""
    nuclei = found.nuclei
    return nuclei.diameter_um[nuclei.whole] if nuclei.whole.any() else nuclei.diameter_um


def _diameter_variation(found: TileFindings) -> float:
    """Coefficient of variation, %."""
    diameters = _diameters(found)
    return 100.0 * float(diameters.std() / diameters.mean())


TISSUE = Measure("tissue_fraction", "%", 0, _tissue)

MEASURES: tuple[Measure, ...] = (
    TISSUE,
    Measure("nuclear_density", "1/mm2", -2, _density),
    _fraction("nuclear_area_fraction", Compartment.NUCLEI),
    Measure("nuclear_diameter_median", "um", 1, lambda found: float(np.median(_diameters(found))), of_nuclei=True),
    Measure("nuclear_diameter_p90", "um", 1, lambda found: float(np.percentile(_diameters(found), 90)), of_nuclei=True),
    Measure("nuclear_diameter_variation", "%", 0, _diameter_variation, of_nuclei=True),
    Measure(
        "elongated_nuclei_share",
        "%",
        0,
        lambda found: 100.0 * float((found.nuclei.elongation > 2.0).mean()),
        of_nuclei=True,
    ),
    Measure(
        "nuclear_haematoxylin_density",
        "OD",
        2,
        lambda found: float(np.median(found.nuclei.haematoxylin_od)),
        of_nuclei=True,
    ),
    Measure("haematoxylin_density", "OD", 2, lambda found: float(found.tile.haematoxylin[found.tile.tissue].mean())),
    Measure("eosin_density", "OD", 2, lambda found: float(found.tile.eosin[found.tile.tissue].mean())),
    _fraction("neuropil_like_fraction", Compartment.NEUROPIL),
    _fraction("stroma_like_fraction", Compartment.STROMA),
    _fraction("pale_fraction", Compartment.PALE),
    _fraction("necrotic_like_fraction", Compartment.NECROSIS),
    _fraction("blood_like_fraction", Compartment.BLOOD),
    _fraction("confluent_dark_fraction", Compartment.CONFLUENT_DARK),
    Measure("ample_cytoplasm_like_share", "%", 0, lambda found: 100.0 * float(found.ample.mean()), of_nuclei=True),
    Measure(
        "dark_fragments_per_100_nuclei",
        "1/100 nuclei",
        1,
        lambda found: 100.0 * found.fragments / found.nuclei.effective_count,
        of_nuclei=True,
    ),
)

MEASURE_BY_NAME = MappingProxyType({measure.name: measure for measure in MEASURES})


def find(tile: StainedTile) -> TileFindings:
    """Take a tile apart."""
    nuclei = segment_nuclei(tile)
    return TileFindings(
        tile=tile,
        nuclei=nuclei,
        compartments=map_compartments(tile, nuclei),
        ample=ample_cytoplasm(tile, nuclei),
        fragments=count_dark_fragments(tile, nuclei),
    )


def measure_tile(rgb: npt.NDArray[np.uint8], um_per_px: float) -> tuple[Measurement, ...]:
    """Everything that can be measured on a tile, in the order of `MEASURES`.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8.
    um_per_px : float
        Micrometres per pixel, 0.2 to 1.0; finer or coarser ones work with less to see.

    Returns
    -------
    tuple of Measurement
        The tissue's share alone where there is too little of it. What is said of nuclei is left out where they are
        fewer than `MIN_NUCLEI`: nothing is guessed.

    Raises
    ------
    ValueError
        If `rgb` is no RGB picture or the scale is not above zero.
    """
    tile = stain_tile(rgb, um_per_px)
    share = 100.0 * float(tile.tissue.mean())
    if share < MIN_TISSUE_PERCENT:
        return (Measurement(name=TISSUE.name, value=share, unit=TISSUE.unit),)
    found = find(tile)
    enough = len(found.nuclei) >= MIN_NUCLEI
    return tuple(
        Measurement(name=measure.name, value=measure.value(found), unit=measure.unit)
        for measure in MEASURES
        if enough or not measure.of_nuclei
    )
