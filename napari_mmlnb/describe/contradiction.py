"""Where a measurement clearly says otherwise than a sentence.

The limits leave a margin between what is claimed and what contradicts it: a word is not a number, and the measured
number is itself an estimate. Where nothing is measured for a finding (rosettes, calcification), nothing is said. That
no measurement contradicts a sentence is no proof of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from napari_mmlnb.describe.claims import Amount, Claim, Finding, read_claims
from napari_mmlnb.describe.measurements import MEASURE_BY_NAME
from napari_mmlnb.describe.sentences import Values, too_little

NEVER_ABOVE, NEVER_BELOW = math.inf, -math.inf


@dataclass(frozen=True)
class Margin:
    """What must be measured for a claim to be contradicted, in the unit of the measure.

    Parameters
    ----------
    measure : str
        Name in `MEASURES`.
    subject, unit : str
        The measured thing and its unit in words.
    absent, scant : float
        At least so much contradicts "absent", "scant" (or low, small).
    present, some, abundant : float
        At most so much contradicts "present", "some" (or medium), "abundant" (or high, large).
    some_above : float
        At least so much contradicts "some" (or medium).
    why : str
        What the limits rest on.
    """

    measure: str
    subject: str
    unit: str
    absent: float
    scant: float
    some: float
    abundant: float
    why: str
    present: float = NEVER_BELOW
    some_above: float = NEVER_ABOVE

    def contradicts(self, amount: Amount, value: float) -> bool:
        """Whether a measured value clearly says otherwise than an amount."""
        least = {Amount.ABSENT: self.absent, Amount.SCANT: self.scant, Amount.SOME: self.some_above}
        most = {Amount.PRESENT: self.present, Amount.SOME: self.some, Amount.ABUNDANT: self.abundant}
        return value >= least.get(amount, NEVER_ABOVE) or value <= most.get(amount, NEVER_BELOW)


_DARK = ("dark_fragments_per_100_nuclei", "dark clumped fragments", "per 100 nuclei")

MARGINS: Mapping[Finding, Margin] = MappingProxyType(
    {
        Finding.NEUROPIL: Margin(
            "neuropil_like_fraction", "neuropil-like material", "% of tissue",
            absent=60, scant=75, present=2, some=5, abundant=12,
            why="Where there is none, 20 % are measured in the median and 45 % at most in 95 of 100 tiles: other fine "
            "felts look alike. Where there is much, fewer than 15 % are rare even in other stains.",
        ),
        Finding.AMPLE_CYTOPLASM: Margin(
            "ample_cytoplasm_like_share", "cells more than twice their nucleus across", "% of nuclei",
            absent=8, scant=12, some=NEVER_BELOW, some_above=30, abundant=1,
            why="Measured where there are none: under 7 % in 99 of 100 tiles; where there are many: over 3 %.",
        ),
        Finding.MKI: Margin(
            *_DARK, absent=NEVER_ABOVE, scant=15, some=NEVER_BELOW, some_above=25, abundant=1,
            why="Of a low index (under 2 %) up to 13 are measured in 97 of 100 tiles: a tile holds few such cells.",
        ),
        Finding.MITOSES: Margin(
            *_DARK, absent=NEVER_ABOVE, scant=NEVER_ABOVE, some=NEVER_BELOW, abundant=1,
            why="Both kinds are counted together: many fragments do not tell that one of the two is not rare.",
        ),
        Finding.STROMA: Margin(
            "stroma_like_fraction", "stroma-like bundles", "% of tissue",
            absent=85, scant=85, some=0.05, abundant=8,
            why="Muscle and hyaline tissue measure alike: up to 55 % where there is no stroma.",
        ),
        Finding.NECROSIS: Margin(
            "necrotic_like_fraction", "necrotic-like debris", "% of tissue",
            absent=15, scant=25, some=NEVER_BELOW, abundant=0.05,
            why="Debris is missed more often than seen: only a large measured area, or none at all, tells.",
        ),
        Finding.BLOOD: Margin(
            "blood_like_fraction", "blood-like area", "% of tissue",
            absent=5, scant=25, some=NEVER_BELOW, abundant=0.5,
            why="Where there is none, over 1 % is measured in one tile of 100.",
        ),
        Finding.NUCLEAR_SIZE: Margin(
            "nuclear_diameter_median", "nuclear diameter", "um",
            absent=NEVER_ABOVE, scant=10, some=4.5, some_above=12, abundant=6,
            why="The measured describer's own words begin at 6, 8 and 10 um: at least one band lies between. There is "
            "no truth of a tile to check them on.",
        ),
        Finding.CELLULARITY: Margin(
            "nuclear_density", "nuclear density", "per mm2",
            absent=NEVER_ABOVE, scant=6000, some=500, some_above=12000, abundant=1500,
            why="The measured describer's own words begin at 1500, 3500 and 6000: a band lies between.",
        ),
    }
)  # fmt: skip
"""Set on phantoms (`benchmarks/contradiction.py --tuning --spread`) so that true sentences are rarely marked."""


def contradiction(sentence: str, measured: Mapping[int, Values]) -> str:
    """What was measured that contradicts a sentence, in words; empty where nothing does.

    Parameters
    ----------
    sentence : str
        Of a model.
    measured : mapping
        Rank to {measure: value} of the tiles that it speaks of.
    """
    parts = [words for claim in read_claims(sentence) if (words := _against(claim, measured))]
    return "; ".join(dict.fromkeys(parts))


def _against(claim: Claim, measured: Mapping[int, Values]) -> str:
    """The measurement against one claim, with the tiles that it was made on where there are several."""
    margin = MARGINS.get(claim.finding)
    if margin is None:
        return ""
    values = {
        rank: values[margin.measure]
        for rank, values in measured.items()
        if margin.measure in values
        and not too_little(values)
        and all(margin.contradicts(amount, values[margin.measure]) for amount in claim.amounts)
    }
    if not values:
        return ""
    where = "" if len(measured) == 1 else f" on {_tiles(tuple(values))}"
    rounded = MEASURE_BY_NAME[margin.measure].rounded
    low, high = rounded(min(values.values())), rounded(max(values.values()))
    span = low if low == high else f"{low} to {high}"
    return f"measured{where}: {margin.subject} {span} {margin.unit}"


def _tiles(ranks: tuple[int, ...]) -> str:
    return f"{'tile' if len(ranks) == 1 else 'tiles'} {', '.join(map(str, ranks))}"
