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


@pytest.mark.parametrize("patients", [3, 6, 12, 24])
def test_an_interval_covers_the_truth_as_often_as_it_says(patients: int) -> None:
    """Accuracy of a classifier that is right in 90 % of cases, over many cohorts, however small."""
    random = np.random.default_rng(0)
    hits = 0
    for seed in range(100):
        truth = np.arange(patients) % 3
        said = np.where(random.random(patients) < 0.9, truth, (truth + 1) % 3)
        report = score_with_intervals(truth, np.eye(3)[said], list(range(patients)), rounds=100, seed=seed)
        hits += report.intervals["accuracy"].low <= 0.9 <= report.intervals["accuracy"].high
    assert hits >= 88, "95 are promised; 88 and fewer are chance in one of two hundred"


@pytest.mark.parametrize("patients", [1, 3, 30])
def test_all_right_is_never_said_to_be_certain(patients: int) -> None:
    truth = np.arange(patients * 2) // 2 % 3
    report = score_with_intervals(truth, np.eye(3)[truth], [i // 2 for i in range(patients * 2)])
    known = [one for one in report.intervals.values() if np.isfinite(one.low)]
    assert known
    assert all(one.low < 0.95 and one.high == pytest.approx(1) for one in known)
    wide = report.intervals["accuracy"].low
    assert wide < 0.4 if patients <= 3 else wide > 0.8


def test_a_class_of_one_patient_widens_what_rests_on_it() -> None:
    """Balanced accuracy counts its one patient as much as the twenty of another."""
    truth = np.array([0] * 20 + [1] * 20 + [2])
    said = truth.copy()
    said[[0, 1, 20, 21]] = 2
    report = score_with_intervals(truth, np.eye(3)[said], list(range(41)))
    width = {name: one.high - one.low for name, one in report.intervals.items()}
    assert width["balanced_accuracy"] > 1.5 * width["accuracy"]


def test_kappa_rests_on_the_order_of_the_classes() -> None:
    """The same answers: nearly right in one order of the classes, far off in another."""
    truth = np.repeat([0, 1, 2], 10)
    said = np.array([0, 1] * 10 + [2] * 10)
    swapped = np.array([0, 2, 1])
    assert score(truth, np.eye(3)[said]).kappa > score(swapped[truth], np.eye(3)[swapped[said]]).kappa + 0.2


def test_images_of_one_patient_are_no_independent_witnesses() -> None:
    """Ten copies of each case: images alone would promise an interval a third as wide."""
    truth, p = _case(3, 40, 3, 1.0)
    single = score_with_intervals(truth, p, list(range(40)), rounds=400)
    copies = score_with_intervals(
        np.repeat(truth, 10), np.repeat(p, 10, axis=0), [i // 10 for i in range(400)], rounds=400
    )
    assert (copies.cases, copies.groups) == (400, 40)
    same = single.intervals["accuracy"]
    assert (copies.intervals["accuracy"].low, copies.intervals["accuracy"].high) == pytest.approx((same.low, same.high))
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
