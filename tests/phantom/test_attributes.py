from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.phantom.attributes import ATTRIBUTES, TileContent, checklist
from napari_mmlnb.phantom.captions import WORDINGS, caption, read_caption
from napari_mmlnb.phantom.slide import render_phantom

CONTENT = {
    "neuropil": 0.0,
    "necrosis": 0.0,
    "calcification": 0.0,
    "cells": 100,
    "differentiating": 0,
    "dividing": 0,
    "rosettes": 0,
}

answers = st.fixed_dictionaries({a.name: st.sampled_from(a.bands) for a in ATTRIBUTES})


def _checklist(**more):
    return checklist(TileContent(**(CONTENT | more)))


@pytest.mark.parametrize(
    ("dividing", "band"), [(0, "low"), (1, "low"), (2, "intermediate"), (4, "intermediate"), (5, "high")]
)
def test_the_bands_of_the_mki_are_those_of_the_inpc(dividing, band):
    assert _checklist(dividing=dividing)["mki"] == band


def test_a_percentage_of_a_few_cells_is_not_told():
    assert _checklist(cells=19, dividing=3)["mki"] == "not countable"


@pytest.mark.parametrize(("mature", "band"), [(0, "absent"), (4, "absent"), (5, "present")])
def test_differentiating_cells_count_from_five_percent(mature, band):
    assert _checklist(differentiating=mature)["differentiating"] == band


@given(answers, st.integers(0, 2**32 - 1))
def test_a_caption_is_read_back_to_what_it_was_made_of(given_answers, seed):
    assert read_caption(caption(given_answers, np.random.default_rng(seed))) == given_answers
    assert read_caption(caption(given_answers)) == given_answers


def test_every_answer_has_its_own_wordings():
    said = [wording for wordings in WORDINGS.values() for wording in wordings]
    assert len(said) == len(set(said))
    assert set(WORDINGS) == {(a.name, band) for a in ATTRIBUTES for band in a.bands}


def test_a_caption_that_contradicts_itself_says_nothing_of_that():
    assert read_caption("No necrosis. Necrosis is present. No rosettes.") == {"rosettes": "absent"}


def test_small_squares_add_up_to_the_tile_that_they_make():
    phantom = {"subtype": "d", "seed": 3, "size": (672, 672), "mpp": 0.5}
    whole = render_phantom(**phantom)[2].tile_attributes
    fine = render_phantom(**phantom, tile_um=16.0)[2].tile_attributes
    for tile in whole:
        squares = [one for one in fine if (one.row // 7, one.column // 7) == (tile.row, tile.column)]
        assert checklist(TileContent.of(squares)) == checklist(TileContent.of([tile]))
        assert TileContent.of(squares).cells == tile.neuroblastic_cells
