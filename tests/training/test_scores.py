"""The metrics are those of scikit-learn, and their intervals know patients."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from napari_mmlnb.training.scores import score, score_with_intervals


def _case(seed: int, count: int, classes: int, skill: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, count)
    logits = random.standard_normal((count, classes)) + skill * np.eye(classes)[truth]
    p = np.exp(logits)
    return truth, p / p.sum(axis=1, keepdims=True)


@given(seed=st.integers(0, 10_000), count=st.integers(12, 60), classes=st.integers(2, 4), skill=st.floats(0, 4))
def test_every_metric_is_that_of_scikit_learn(seed: int, count: int, classes: int, skill: float) -> None:
    truth, p = _case(seed, count, classes, skill)
    truth[:classes] = range(classes)
    said = p.argmax(axis=1)
    ours = score(truth, p)
    weighted = {"average": "weighted", "zero_division": 0, "labels": range(classes)}
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(truth, said, **weighted)
    assert ours.accuracy == pytest.approx(metrics.accuracy_score(truth, said))
    assert ours.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(truth, said))
    assert ours.kappa == pytest.approx(metrics.cohen_kappa_score(truth, said, weights="quadratic"))
    assert (ours.precision, ours.recall, ours.f1) == pytest.approx((precision, recall, f1))
    one_against_rest = [metrics.roc_auc_score(truth == k, p[:, k]) for k in range(classes)]
    assert ours.auroc == pytest.approx(np.mean(one_against_rest))


def test_a_class_that_does_not_occur_spoils_no_metric() -> None:
    truth, p = _case(1, 30, 3, 2.0)
    truth[truth == 2] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = score(truth, p)
    assert all(np.isfinite(value) for value in vars(ours).values())


def test_all_of_one_class_has_no_auroc_and_no_kappa() -> None:
    ours = score([1, 1, 1], np.tile([0.1, 0.8, 0.1], (3, 1)))
    assert ours.accuracy == ours.f1 == 1
    assert np.isnan(ours.auroc)
    assert np.isnan(ours.kappa)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Accuracy of a classifier that is right in 80 % of cases, over many cohorts."""
    random = np.random.default_rng(0)
    hits = 0
    for seed in range(60):
        truth = random.integers(0, 2, 100)
        right = random.random(100) < 0.8
        said = np.where(right, truth, 1 - truth)
        report = score_with_intervals(truth, np.eye(2)[said], list(range(100)), rounds=200, seed=seed)
        hits += report.intervals["accuracy"].low <= 0.8 <= report.intervals["accuracy"].high
    assert 0.85 <= hits / 60 <= 1


def test_images_of_one_patient_are_no_independent_witnesses() -> None:
    """Ten copies of each case: images alone would promise an interval a third as wide."""
    truth, p = _case(3, 40, 3, 1.0)
    single = score_with_intervals(truth, p, list(range(40)), rounds=400)
    copies = score_with_intervals(
        np.repeat(truth, 10), np.repeat(p, 10, axis=0), [i // 10 for i in range(400)], rounds=400
    )
    assert (copies.cases, copies.groups) == (400, 40)
    assert copies.intervals["accuracy"] == single.intervals["accuracy"]
    alone = score_with_intervals(np.repeat(truth, 10), np.repeat(p, 10, axis=0), list(range(400)), rounds=400)
    width = {
        name: r.intervals["accuracy"].high - r.intervals["accuracy"].low for name, r in (("by", copies), ("no", alone))
    }
    assert width["no"] < 0.5 * width["by"]


def test_the_same_seed_gives_the_same_intervals_and_nothing_else_is_accepted() -> None:
    truth, p = _case(4, 30, 3, 1.0)
    groups = [f"p{i % 7}" for i in range(30)]
    assert score_with_intervals(truth, p, groups, rounds=50, seed=5).intervals == (
        score_with_intervals(truth, p, groups, rounds=50, seed=5).intervals
    )
    with pytest.raises(ValueError, match="29 groups"):
        score_with_intervals(truth, p, groups[1:])
