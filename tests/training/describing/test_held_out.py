"""Figures of held-out texts say how far chance may have moved them, also where patients are few."""

from __future__ import annotations

import numpy as np
import pytest

from napari_mmlnb.training.describing.class_words import ClassWords
from napari_mmlnb.training.describing.held_out import Comparison, HeldOut
from napari_mmlnb.training.describing.loop import TokenLosses
from napari_mmlnb.training.describing.speaking import Said

CLASS_WORDS = ClassWords({"ud": "undifferentiated", "pd": "poorly differentiated"})


def _held_out(losses: np.ndarray) -> HeldOut:
    texts = tuple(Said("Neuropil is absent.", finished=True) for _ in losses)
    return HeldOut(TokenLosses(losses, np.ones(len(losses), np.int64)), texts)


def _interval(losses: np.ndarray, patients: int, seed: int = 0) -> list[float] | None:
    names = [f"p{number % patients}" for number in range(len(losses))]
    truths = ["Neuropil is absent." for _ in losses]
    comparison = Comparison(truths, names, np.arange(len(losses)), CLASS_WORDS, seed)
    told = comparison.told(_held_out(losses), _held_out(losses))
    assert told["before"]["loss"]["value"] == pytest.approx(losses.mean())
    return told["before"]["loss"]["interval"]


@pytest.mark.parametrize("patients", [3, 6])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(patients: int) -> None:
    """Percentiles of a bootstrap over three patients hold it in about six of ten."""
    random = np.random.default_rng(patients)
    held = 0
    for _ in range(60):
        low, high = _interval(random.normal(2.0, 0.3, patients), patients)
        held += low <= 2.0 <= high
    assert held >= 51, "of 60; 57 are promised"


def test_two_patients_tell_no_interval() -> None:
    assert _interval(np.array([1.0, 2.0, 1.5, 2.5]), patients=2) is None


def test_what_does_not_vary_has_no_interval_of_no_width() -> None:
    comparison = Comparison(["Same."] * 4, list("abcd"), np.arange(4), CLASS_WORDS, 0)
    one = HeldOut(TokenLosses(np.ones(4), np.ones(4, np.int64)), tuple(Said("Same.", finished=True) for _ in "abcd"))
    told = comparison.told(one, one)
    assert told["after"]["token_f1"] == {"value": 1.0, "interval": None}
    assert told["gain"]["loss"] == {"value": 0.0, "interval": None}
