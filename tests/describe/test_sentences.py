from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.describe.base import TileDescription
from napari_mmlnb.describe.measurements import MEASURES, TISSUE
from napari_mmlnb.describe.sentences import PHRASES, summary_sentences, tile_sentences, values_of
from napari_mmlnb.result import Measurement

NUMBER = re.compile(r"\d+(?:\.\d+)?")
FIXED = ("per 100 nuclei", "90th percentile", "per mm2", "Fewer than 5 nuclei")
CLASS_WORDS = re.compile(
    r"undifferentiat|differentiat|neuroblastoma|ganglio|benign|malignan|tumou?r|cancer|diagnos|favou?rable|\b(ud|pd|d)\b",
    re.IGNORECASE,
)

UPPER = {"%": 100.0, "um": 25.0, "1/mm2": 12000.0, "OD": 2.0, "1/100 nuclei": 60.0}


@st.composite
def described(draw: st.DrawFn, rank: int = 1) -> TileDescription:
    tissue = draw(st.floats(0, 100))
    kept = [TISSUE] if tissue < 10 else [m for m in MEASURES if not m.of_nuclei or draw(st.just(True))]
    values = tuple(
        Measurement(name=m.name, unit=m.unit, value=tissue if m is TISSUE else draw(st.floats(0, UPPER[m.unit])))
        for m in kept
    )
    return TileDescription(rank, tile_sentences(values_of(values)), values)


def numbers_in(text: str) -> list[str]:
    for fixed in FIXED:
        text = text.replace(fixed, "")
    return NUMBER.findall(text)


def written(tiles: list[TileDescription]) -> set[str]:
    by_name = {m.name: m for m in MEASURES}
    return {by_name[m.name].rounded(m.value) for tile in tiles for m in tile.measurements}


@given(described())
def test_every_number_of_a_tile_was_measured_on_it(tile: TileDescription) -> None:
    numbers = [n for sentence in tile.sentences for n in numbers_in(sentence)]
    assert numbers
    assert set(numbers) <= written([tile])


@given(st.data(), st.integers(1, 6))
def test_the_summary_says_no_more_than_its_tiles(data: st.DataObject, count: int) -> None:
    tiles = [data.draw(described(rank)) for rank in range(1, count + 1)]
    for sentence in summary_sentences(tiles):
        assert sentence.evidence
        backing = [tile for tile in tiles if tile.rank in sentence.evidence]
        assert len(backing) == len(sentence.evidence)
        text = re.sub(r"(in \d+ )?of \d+ tiles?", "", sentence.text)
        assert set(numbers_in(text)) <= written(backing)
        subject = next((p.subject for p in PHRASES if sentence.text.startswith(p.subject + ":")), None)
        if subject is not None:
            claim = re.match(rf"{re.escape(subject)}: ([a-z ]+?)(, | in )", sentence.text)
            assert claim
            told = [s for tile in backing for s in tile.sentences if s.startswith(f"{subject}: {claim.group(1)} ")]
            assert told, sentence.text


@given(st.data(), st.integers(1, 6))
def test_counts_of_tiles_are_those_listed(data: st.DataObject, count: int) -> None:
    tiles = [data.draw(described(rank)) for rank in range(1, count + 1)]
    bare = {tile.rank for tile in tiles if len(tile.measurements) == 1}
    for sentence in summary_sentences(tiles):
        counted = re.search(r"in (\d+) of (\d+) tiles?", sentence.text)
        if counted:
            assert int(counted.group(1)) == len(sentence.evidence)
            assert int(counted.group(2)) in {count, count - len(bare)}
        if not sentence.text.startswith("Too little"):
            assert not bare & set(sentence.evidence)


@given(described())
def test_no_class_is_named(tile: TileDescription) -> None:
    text = " ".join((*tile.sentences, *(s.text for s in summary_sentences([tile]))))
    assert not CLASS_WORDS.search(text)
    assert not any(CLASS_WORDS.search(m.name) for m in tile.measurements)


@given(st.data())
def test_the_text_stays_short(data: st.DataObject) -> None:
    tiles = [data.draw(described(rank)) for rank in range(1, 9)]
    assert sum(len(s.text.split()) for s in summary_sentences(tiles)) <= 130


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda p: p.measure)
def test_words_rise_with_the_value(phrase: object) -> None:
    words = [band.word for band in phrase.bands]  # type: ignore[attr-defined]
    limits = [band.below for band in phrase.bands]  # type: ignore[attr-defined]
    assert limits == sorted(limits)
    assert limits[-1] == float("inf")
    assert len(set(words)) == len(words)
    values = np.linspace(0, UPPER[phrase.of.unit], 400)  # type: ignore[attr-defined]
    order = [words.index(phrase.word(float(v))) for v in values]  # type: ignore[attr-defined]
    assert order == sorted(order)


def test_word_and_number_never_disagree() -> None:
    phrase = PHRASES[0]
    assert phrase.word(0.6) != "none"
    assert phrase.of.rounded(0.6) == "1"
    assert phrase.word(0.4) == "none"
    assert phrase.of.rounded(0.4) == "0"


def test_no_tiles_is_said_to_be_nothing() -> None:
    (only,) = summary_sentences([])
    assert only.evidence == ()
    assert "nothing was measured" in only.text


def test_glass_alone_is_said_to_be_too_little() -> None:
    values = (Measurement(name="tissue_fraction", value=2.6, unit="%"),)
    tile = TileDescription(4, tile_sentences(values_of(values)), values)
    assert tile.sentences == ("Too little tissue to describe: 3 % of the tile.",)
    (only,) = summary_sentences([tile])
    assert only.text == "Too little tissue to describe in 1 of 1 tile."
    assert only.evidence == (4,)
