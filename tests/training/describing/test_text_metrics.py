from __future__ import annotations

import pytest

from napari_mmlnb.training.describing.text_metrics import (
    faults,
    rouge_l,
    sentence_f1,
    sentences,
    token_f1,
    words,
)


def test_words_are_without_signs_and_numbers_stay_whole() -> None:
    assert words("Nuclei of 7.5 µm, 12 % mitoses; N/C-ratio.") == [
        "nuclei",
        "of",
        "7.5",
        "μm",
        "12",
        "mitoses",
        "n",
        "c",
        "ratio",
    ]
    assert words("细胞 PD") == ["细", "胞", "pd"]
    assert sentences("One. Two 7.5 µm! … Three") == ["One.", "Two 7.5 µm!", "… Three"]


def test_by_hand() -> None:
    said, truth = "the cells are small", "small cells are packed"
    assert token_f1(said, truth) == pytest.approx(2 * 3 / 8)
    assert rouge_l(said, truth) == pytest.approx(2 * 2 / 8), "'cells are' is in both, in this order"
    assert token_f1("cells cells cells", "cells") == pytest.approx(2 / 4), "each word as often as it is there"
    assert sentence_f1("No fibrils. Packed CELLS.", "Packed cells. Fibrils.") == pytest.approx(0.5)


@pytest.mark.parametrize("score", [token_f1, rouge_l, sentence_f1])
def test_the_same_is_one_and_nothing_is_nought(score) -> None:
    assert score("Packed cells. No fibrils.", "Packed cells. No fibrils.") == 1
    assert score("", "Packed cells.") == 0
    assert score("xyz", "Packed cells.") == 0


def test_faults_are_told_by_name() -> None:
    assert faults("Packed cells.", finished=True, class_word="") == ()
    assert faults(" .. ", finished=True, class_word="") == ("empty",)
    assert faults("Cells. Cells. Cells. Cel", finished=False, class_word="") == ("unfinished", "repeats itself")
    assert faults("It is PD.", finished=True, class_word="PD") == ("names a class",)
