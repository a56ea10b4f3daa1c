"""Differences are said with intervals that are right as often as they say, and pairs stay pairs."""

from __future__ import annotations

import numpy as np
import pytest

from napari_mmlnb.training.comparison import Estimate, Trial, differences, estimates


def _trials(seed: int, skill: float, seeds: int = 4, patients: int = 40, shared: float = 0.0) -> list[Trial]:
    """Trainings that are right with probability `skill`; `shared` of the cases are right or wrong for all."""
    random = np.random.default_rng(seed)
    truth = np.arange(patients * 2) % 2
    common = np.random.default_rng(99).random(patients * 2)
    trials = []
    for _ in range(seeds):
        luck = np.where(random.random(len(truth)) < shared, common, random.random(len(truth)))
        said = np.where(luck < skill, truth, 1 - truth)
        trials.append(Trial(truth, np.eye(2)[said], tuple(f"p{i // 2}" for i in range(len(truth)))))
    return trials


def difference(one: list[Trial], other: list[Trial], metric: str, **named: int) -> Estimate:
    return differences(one, other, **named)[metric]


def estimate(trials: list[Trial], metric: str) -> Estimate:
    return estimates(trials)[metric]


def test_a_way_that_is_better_is_said_to_be() -> None:
    gain = difference(_trials(0, 0.9), _trials(1, 0.6), "accuracy")
    assert gain.interval.low < gain.mean < gain.interval.high
    assert gain.mean == pytest.approx(0.3, abs=0.1)
    assert gain.verdict == "holds"
    assert difference(_trials(1, 0.6), _trials(0, 0.9), "accuracy").verdict == "the reverse holds"


def test_two_of_a_kind_are_not_told_apart() -> None:
    """At most one in ten is; one in twenty is promised."""
    wrong = sum(
        difference(_trials(2 * i, 0.75), _trials(2 * i + 1, 0.75), "accuracy", rounds=100).verdict != "not shown"
        for i in range(20)
    )
    assert wrong <= 2


def test_a_pair_is_compared_as_a_pair() -> None:
    """Cases that are hard for both say nothing of the difference."""
    alike = difference(_trials(0, 0.8, shared=0.95), _trials(1, 0.75, shared=0.95), "accuracy")
    apart = difference(_trials(0, 0.8), _trials(1, 0.75), "accuracy")
    assert alike.interval.high - alike.interval.low < 0.7 * (apart.interval.high - apart.interval.low)


def test_one_way_alone_has_its_interval() -> None:
    one = estimate(_trials(5, 0.8), "f1")
    assert one.interval.low < one.mean < one.interval.high
    assert one == estimate(_trials(5, 0.8), "f1")
    few = estimate(_trials(5, 0.8, patients=10), "f1")
    assert few.interval.high - few.interval.low > one.interval.high - one.interval.low


def test_other_splits_are_not_compared() -> None:
    with pytest.raises(ValueError, match="same splits"):
        difference(_trials(0, 0.8), _trials(0, 0.8, patients=30), "f1")
