"""When a measurement is held against a sentence, and when it keeps silent."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.describe.claims import Amount, Finding
from napari_mmlnb.describe.contradiction import MARGINS, Margin, contradiction
from napari_mmlnb.describe.measurements import MEASURE_BY_NAME, measure_tile
from napari_mmlnb.describe.sentences import tile_sentences, values_of
from napari_mmlnb.phantom.slide import render_phantom

RISING = (Amount.ABSENT, Amount.SCANT, Amount.SOME, Amount.ABUNDANT)


def measured(**values: float) -> dict[str, float]:
    return {"tissue_fraction": 100.0, **values}


def test_the_words_name_what_was_measured_and_how_much() -> None:
    values = measured(neuropil_like_fraction=2.4)
    assert contradiction("Abundant neuropil.", {1: values}) == "measured: neuropil-like material 2 % of tissue"
    assert contradiction("There is no neuropil.", {1: values}) == ""


def test_of_several_tiles_those_are_named_that_say_otherwise() -> None:
    tiles = {
        1: measured(neuropil_like_fraction=40.0),
        3: measured(neuropil_like_fraction=1.0),
        5: measured(neuropil_like_fraction=4.0),
    }
    found = contradiction("Abundant neuropil.", tiles)
    assert found == "measured on tiles 3, 5: neuropil-like material 1 to 4 % of tissue"


def test_several_claims_are_each_held_against_their_own_measurement() -> None:
    values = measured(neuropil_like_fraction=0.0, blood_like_fraction=60.0)
    found = contradiction("Neuropil is abundant and haemorrhage is absent.", {1: values})
    assert found.split("; ") == [
        "measured: neuropil-like material 0 % of tissue",
        "measured: blood-like area 60 % of tissue",
    ]


def test_where_several_amounts_may_be_meant_all_must_be_contradicted() -> None:
    assert contradiction("Little or no neuropil.", {1: measured(neuropil_like_fraction=65.0)}) == ""
    assert contradiction("Little or no neuropil.", {1: measured(neuropil_like_fraction=90.0)})


@pytest.mark.parametrize("sentence", ["Many rosettes.", "No calcification.", "Some lymphocytes.", ""])
def test_where_nothing_is_measured_nothing_is_said(sentence: str) -> None:
    assert contradiction(sentence, {1: measured(neuropil_like_fraction=0.0)}) == ""


def test_too_little_tissue_contradicts_nothing() -> None:
    assert contradiction("Abundant neuropil.", {1: {"tissue_fraction": 4.0, "neuropil_like_fraction": 0.0}}) == ""
    assert contradiction("Abundant neuropil.", {1: measured()}) == ""


def test_one_of_two_kinds_of_cell_is_not_denied_by_the_count_of_both() -> None:
    many = {1: measured(dark_fragments_per_100_nuclei=30.0)}
    assert contradiction("No karyorrhexis.", many) == ""
    assert contradiction("The MKI is low.", many)
    assert contradiction("Mitoses are frequent.", {1: measured(dark_fragments_per_100_nuclei=0.0)})


@pytest.mark.parametrize("margin", MARGINS.values(), ids=[f.name for f in MARGINS])
def test_margins_leave_room(margin: Margin) -> None:
    assert margin.measure in MEASURE_BY_NAME
    assert margin.why
    assert margin.present <= margin.some < margin.abundant < margin.absent <= margin.scant or margin.absent == math.inf
    assert margin.abundant < margin.scant <= margin.some_above


@given(st.sampled_from(list(MARGINS)), st.floats(0, 12000))
def test_amounts_that_a_value_allows_lie_side_by_side(finding: Finding, value: float) -> None:
    margin = MARGINS[finding]
    told = RISING if margin.absent < math.inf else RISING[1:]
    marked = [margin.contradicts(amount, value) for amount in told]
    assert not all(marked), "some amount must be true"
    runs = [i for i, mark in enumerate(marked) if not mark]
    assert runs == list(range(runs[0], runs[-1] + 1))


def test_the_measured_describer_s_own_sentences_are_hardly_ever_contradicted_by_its_numbers() -> None:
    """Their words come from the same numbers: a mark would be the reader's mistake, or a margin without room."""
    rgb, _, _ = render_phantom(subtype="d", seed=4, size=(672, 672), mpp=0.5)
    seen = 0
    for y in range(0, 672, 224):
        for x in range(0, 672, 224):
            values = values_of(measure_tile(np.ascontiguousarray(rgb[y : y + 224, x : x + 224]), 0.5))
            for sentence in tile_sentences(values):
                assert contradiction(sentence, {1: values}) == "", sentence
                seen += 1
    assert seen > 30
