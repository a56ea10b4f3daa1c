from __future__ import annotations

import numpy as np
import pytest

from napari_mmlnb.describe.base import DescriberFacts, TileDescription
from napari_mmlnb.phantom.attributes import checklist
from napari_mmlnb.phantom.captions import caption
from napari_mmlnb.training.small_vlm.accuracy import describer_accuracy
from napari_mmlnb.training.small_vlm.tiles import COLUMNS, SIDE_PX, SQUARES, TileSet


@pytest.fixture
def tiles():
    random = np.random.default_rng(0)
    squares = np.zeros((20, SQUARES, SQUARES, len(COLUMNS)), np.float32)
    squares[..., 7] = 1
    squares[:10, ..., 1] = 0.7
    squares[5:, 3, 3, 5] = random.integers(0, 4, 15)
    return TileSet(np.zeros((20, SIDE_PX, SIDE_PX, 3), np.uint8), squares)


class Saying:
    """Says of each tile what it was given for it."""

    facts = DescriberFacts("saying", "", "", generates=True)

    def __init__(self, texts):
        self.texts = texts

    def describe(self, tiles):
        for tile in tiles:
            sentences = tuple(f"{part}." for part in self.texts[tile.rank - 1].split(". ") if part)
            yield TileDescription(tile.rank, sentences[:1], (), complete=False)
            yield TileDescription(tile.rank, sentences, ())


def _truths(tiles):
    random = np.random.default_rng(1)
    return [caption(checklist(content), random).rstrip(".") for content in tiles.contents()]


def test_who_says_the_truth_is_right_everywhere(tiles):
    found = describer_accuracy(Saying(_truths(tiles)), tiles)
    assert found.mean == 1.0
    assert all(one.balanced == 1.0 for one in found.attributes.values())
    assert found.silent == 0


def test_who_always_says_the_same_is_found_out(tiles):
    found = describer_accuracy(Saying([_truths(tiles)[0]] * len(tiles)), tiles)
    neuropil = found.attributes["neuropil"]
    assert (neuropil.accuracy, neuropil.balanced, neuropil.commonest) == (0.5, 0.5, 0.5)
    assert found.attributes["rosettes"].accuracy == found.attributes["rosettes"].commonest == 1.0


def test_what_is_not_said_is_wrong(tiles):
    found = describer_accuracy(Saying([""] * len(tiles)), tiles)
    assert found.mean == 0.0
    assert found.silent == len(tiles)
    assert "nothing said of 20" in found.lines()[0]
