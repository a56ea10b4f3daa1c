"""From numbers to words: a table of subjects, units and limits, and the few sentences built from it.

The same numbers always give the same words. A word is chosen from the number as it is written, so that word and number
never disagree. Sentences say what was measured on which tiles; they name no diagnosis and no class.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_mmlnb.describe.base import TileDescription
from napari_mmlnb.describe.measurements import MEASURE_BY_NAME, MIN_NUCLEI, MIN_TISSUE_PERCENT, TISSUE, Measure
from napari_mmlnb.result import Measurement, Sentence

Values = Mapping[str, float]


@dataclass(frozen=True)
class Band:
    """A word for values below a limit (in the unit of the measure)."""

    below: float
    word: str


@dataclass(frozen=True)
class Phrase:
    """How one measure is put into words.

    Parameters
    ----------
    measure : str
        Name in `MEASURES`.
    subject : str
        What the sentence is about.
    unit : str
        The unit in words, with what it refers to.
    bands : tuple of Band
        In rising order; the last one is open.
    beside : tuple of (str, str)
        Further measures given in the same brackets of a tile's sentence: what to call it, name.
    finding : bool
        Said on its own only where it was found; elsewhere it joins the sentence of what was not.
    summarised : bool
        Said of all tiles together too, not only tile by tile.
    """

    measure: str
    subject: str
    unit: str
    bands: tuple[Band, ...]
    beside: tuple[tuple[str, str], ...] = ()
    finding: bool = False
    summarised: bool = True

    @property
    def of(self) -> Measure:
        """The measure that it speaks of."""
        return MEASURE_BY_NAME[self.measure]

    def word(self, value: float) -> str:
        """The band's word for a value, after rounding it as the sentence does."""
        written = float(self.of.rounded(value))
        return next(band.word for band in self.bands if written < band.below)

    def found(self, value: float) -> bool:
        """Whether the value is above the lowest band."""
        return self.word(value) != self.bands[0].word


def _bands(*steps: tuple[float, str], last: str) -> tuple[Band, ...]:
    return (*(Band(below, word) for below, word in steps), Band(float("inf"), last))


_AMOUNT = _bands((1, "none"), (5, "scant"), (15, "some"), (35, "much"), last="abundant")
_AREA = _bands((1, "none"), (5, "a trace"), (25, "focal"), last="extensive")

PHRASES: tuple[Phrase, ...] = (
    Phrase("neuropil_like_fraction", "Neuropil-like material", "% of tissue", _AMOUNT),
    Phrase(
        "ample_cytoplasm_like_share",
        "Cells more than twice their nucleus across",
        "% of nuclei",
        _bands((1, "none"), (5, "few"), (15, "several"), last="many"),
    ),
    Phrase(
        "nuclear_density",
        "Nuclear density",
        "per mm2",
        _bands((1500, "low"), (3500, "moderate"), (6000, "high"), last="very high"),
        beside=(("share of area", "nuclear_area_fraction"),),
    ),
    Phrase(
        "nuclear_diameter_median",
        "Nuclear diameter",
        "um",
        _bands((6.0, "small"), (8.0, "medium"), (10.0, "large"), last="very large"),
        beside=(("90th percentile", "nuclear_diameter_p90"),),
    ),
    Phrase(
        "nuclear_diameter_variation",
        "Nuclear size variation",
        "%",
        _bands((20, "slight"), (30, "moderate"), (40, "marked"), last="extreme"),
        summarised=False,
    ),
    Phrase(
        "dark_fragments_per_100_nuclei",
        "Dark clumped fragments",
        "per 100 nuclei",
        _bands((0.5, "none"), (2, "few"), (4, "several"), last="many"),
    ),
    Phrase("stroma_like_fraction", "Stroma-like bundles", "% of tissue", _AMOUNT),
    Phrase(
        "elongated_nuclei_share",
        "Elongated nuclei",
        "% of nuclei",
        _bands((10, "few"), (30, "several"), last="many"),
        summarised=False,
    ),
    Phrase("necrotic_like_fraction", "Necrotic-like debris", "% of tissue", _AREA, finding=True),
    Phrase("confluent_dark_fraction", "Confluent dark area", "% of tissue", _AREA, finding=True),
    Phrase("blood_like_fraction", "Blood-like area", "% of tissue", _AREA, finding=True),
    Phrase("pale_fraction", "Pale area", "% of tissue", _AREA, finding=True),
)

STAINS = (("haematoxylin", "haematoxylin_density"), ("eosin", "eosin_density"))


def values_of(measurements: Sequence[Measurement]) -> dict[str, float]:
    """Measurements by name."""
    return {measurement.name: measurement.value for measurement in measurements}


def tile_sentences(values: Values) -> tuple[str, ...]:
    """What can be said of one tile.

    Parameters
    ----------
    values : mapping
        Name to value, as `measure_tile` gives them.
    """
    if too_little(values):
        share = TISSUE.rounded(values[TISSUE.name])
        return (f"Too little tissue to describe: {share} % of the tile.",)
    known = [phrase for phrase in PHRASES if phrase.measure in values]
    said = [
        _tile_sentence(phrase, values) for phrase in known if not phrase.finding or phrase.found(values[phrase.measure])
    ]
    absent = [phrase for phrase in known if phrase.finding and not phrase.found(values[phrase.measure])]
    if absent:
        said.append(f"Not found here: {_listed(absent)}.")
    if "nuclear_diameter_median" not in values:
        said.append(f"Fewer than {MIN_NUCLEI} nuclei, so neither their size nor their kinds were measured.")
    said.append(_stain_sentence(values))
    return tuple(said)


def too_little(values: Values) -> bool:
    """Whether a tile holds too little tissue to be described."""
    return values.get(TISSUE.name, 0.0) < MIN_TISSUE_PERCENT


def summary_sentences(tiles: Sequence[TileDescription]) -> tuple[Sentence, ...]:
    """What can be said of all tiles together, each sentence with the ranks that it speaks of.

    The middle value of a set of tiles is one that a tile really has (the lower of two middles), so every word and
    every number of the summary is a tile's own.
    """
    if not tiles:
        return (Sentence(text="There is no evidence tile, so nothing was measured.", evidence=()),)
    everything = {tile.rank: values_of(tile.measurements) for tile in tiles}
    bare = tuple(rank for rank, values in everything.items() if too_little(values))
    by_rank = {rank: values for rank, values in everything.items() if rank not in bare}
    said = []
    if bare:
        said.append(
            Sentence(text=f"Too little tissue to describe in {len(bare)} of {_tiles(len(tiles))}.", evidence=bare)
        )
    if not by_rank:
        return tuple(said)
    if len(by_rank) > 1:
        said.append(Sentence(text=f"Median (range) of {_tiles(len(by_rank))}.", evidence=tuple(by_rank)))
    spoken = [phrase for phrase in PHRASES if phrase.summarised and not phrase.finding]
    said.extend(_summary_of(phrase, by_rank) for phrase in spoken if _ranks(phrase, by_rank))
    said.extend(_findings(by_rank))
    return tuple(said)


def _tile_sentence(phrase: Phrase, values: Values) -> str:
    value = values[phrase.measure]
    inside = [f"{phrase.of.rounded(value)} {phrase.unit}"]
    for label, name in phrase.beside:
        measure = MEASURE_BY_NAME[name]
        inside.append(f"{label} {measure.rounded(values[name])} {measure.unit}")
    return f"{phrase.subject}: {phrase.word(value)} ({', '.join(inside)})."


def _ranks(phrase: Phrase, by_rank: Mapping[int, Values]) -> tuple[int, ...]:
    return tuple(rank for rank, values in by_rank.items() if phrase.measure in values)


def _summary_of(phrase: Phrase, by_rank: Mapping[int, Values]) -> Sentence:
    ranks = _ranks(phrase, by_rank)
    values = [by_rank[rank][phrase.measure] for rank in ranks]
    middle = statistics.median_low(values)
    return Sentence(
        text=f"{phrase.subject}: {phrase.word(middle)}, {_spread(phrase.of, values)} {phrase.unit}.", evidence=ranks
    )


def _findings(by_rank: Mapping[int, Values]) -> list[Sentence]:
    said = []
    absent = []
    for phrase in (phrase for phrase in PHRASES if phrase.finding):
        found = {rank: v[phrase.measure] for rank, v in by_rank.items() if phrase.found(v[phrase.measure])}
        if not found:
            absent.append(phrase)
            continue
        most = max(found.values())
        said.append(
            Sentence(
                text=f"{phrase.subject}: {phrase.word(most)} in {len(found)} of {_tiles(len(by_rank))} "
                f"(most {phrase.of.rounded(most)} %).",
                evidence=tuple(found),
            )
        )
    if absent:
        said.append(Sentence(text=f"Not found: {_listed(absent)}.", evidence=tuple(by_rank)))
    return said


def _stain_sentence(values: Values) -> str:
    parts = [f"{label} {MEASURE_BY_NAME[name].rounded(values[name])}" for label, name in STAINS]
    return f"Mean stain density: {', '.join(parts)} OD."


def _spread(measure: Measure, values: Sequence[float]) -> str:
    low, middle, high = (measure.rounded(v) for v in (min(values), statistics.median_low(values), max(values)))
    return middle if low == high else f"{middle} ({low} to {high})"


def _listed(phrases: Sequence[Phrase]) -> str:
    names = [phrase.subject.lower() for phrase in phrases]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _tiles(count: int) -> str:
    return "1 tile" if count == 1 else f"{count} tiles"
