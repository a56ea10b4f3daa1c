from __future__ import annotations

import re

import numpy as np
import pytest

from napari_mmlnb.describe.base import EvidenceTile
from napari_mmlnb.describe.measured import MeasuredDescriber
from napari_mmlnb.geometry import Region

from .conftest import Paint, lattice


def evidence(*pictures: np.ndarray, first_rank: int = 1) -> list[EvidenceTile]:
    return [
        EvidenceTile(rank, rgb, 0.5, Region(0, 112.0 * rank, 112, 112))
        for rank, rgb in enumerate(pictures, start=first_rank)
    ]


def test_one_description_a_tile_in_order_and_each_when_ready(crowded: np.ndarray) -> None:
    stream = MeasuredDescriber().describe(evidence(crowded, np.full((224, 224, 3), 250, np.uint8), first_rank=3))
    first = next(stream)
    assert first.rank == 3
    assert first.sentences[0].startswith("Neuropil-like material:")
    assert [d.rank for d in stream] == [4]


def test_the_text_is_its_sentences(crowded: np.ndarray) -> None:
    describer = MeasuredDescriber()
    summary = describer.summarise(list(describer.describe(evidence(crowded, crowded))))
    assert summary.describer == "measured"
    assert summary.text == " ".join(s.text for s in summary.sentences)
    assert all(s.evidence == (1, 2) for s in summary.sentences)


def test_equal_tiles_need_no_range(crowded: np.ndarray) -> None:
    describer = MeasuredDescriber()
    text = describer.summarise(list(describer.describe(evidence(crowded, crowded)))).text
    assert "(range)" in text
    assert not re.search(r"\d to \d", text)


def test_tiles_that_differ_give_a_range(paint: Paint) -> None:
    describer = MeasuredDescriber()
    tiles = evidence(paint(lattice(10.0), 7.0), paint(lattice(18.0), 12.0))
    text = describer.summarise(list(describer.describe(tiles))).text
    assert re.search(r"Nuclear density: [a-z ]+, \d+ \(\d+ to \d+\) per mm2\.", text)


def test_glass_is_left_out_of_the_summary(crowded: np.ndarray) -> None:
    describer = MeasuredDescriber()
    tiles = evidence(np.full((224, 224, 3), 250, np.uint8), crowded)
    said = describer.summarise(list(describer.describe(tiles))).sentences
    assert said[0].text == "Too little tissue to describe in 1 of 2 tiles."
    assert said[0].evidence == (1,)
    assert all(s.evidence == (2,) for s in said[1:])


def test_nothing_to_describe() -> None:
    describer = MeasuredDescriber()
    assert list(describer.describe([])) == []
    assert describer.summarise([]).sentences[0].evidence == ()


def test_the_same_tile_is_described_the_same(crowded: np.ndarray) -> None:
    tiles = evidence(crowded)
    assert list(MeasuredDescriber().describe(tiles)) == list(MeasuredDescriber().describe(tiles))


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="not an RGB tile"):
        list(MeasuredDescriber().describe(evidence(np.zeros((4, 4), np.uint8))))
