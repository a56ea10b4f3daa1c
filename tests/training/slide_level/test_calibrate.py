from __future__ import annotations

import sys

import numpy as np
import pytest

from napari_mmlnb.errors import MissingExtraError
from napari_mmlnb.training.slide_level.calibrate import conformal_quantile, fit_temperature


def test_overconfident_logits_are_cooled_by_the_factor_that_made_them_so() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(4000, 3)) * 2
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(3, p=row) for row in p])
    assert abs(fit_temperature(z * 3, labels) - 3) < 0.3


def test_the_quantile_covers_what_it_says() -> None:
    rng = np.random.default_rng(1)
    hits = [(rng.random() <= conformal_quantile(rng.random(40), 0.9)) for _ in range(3000)]
    assert 0.88 <= np.mean(hits) <= 0.95


@pytest.mark.parametrize(("slides", "coverage", "rank"), [(9, 0.9, 9), (19, 0.9, 18), (60, 0.9, 55), (100, 0.8, 81)])
def test_the_quantile_is_that_of_split_conformal_prediction(slides: int, coverage: float, rank: int) -> None:
    scores = np.random.default_rng(slides).random(slides)
    assert conformal_quantile(scores, coverage) == np.sort(scores)[rank - 1]


def test_too_few_slides_for_the_coverage_exclude_nothing() -> None:
    assert conformal_quantile(np.array([0.1, 0.2, 0.3]), 0.9) == 1.0


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "crepes", None)
    with pytest.raises(MissingExtraError, match="crepes") as caught:
        conformal_quantile(np.array([0.1]), 0.9)
    assert caught.value.extra == "train"
