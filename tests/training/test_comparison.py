"""Differences are said with intervals that are right as often as they say, and pairs stay pairs."""

from __future__ import annotations

import numpy as np
import pytest

from napari_mmlnb.training.comparison import FEWEST_TRAININGS, Difference, Estimate, Trial, differences, estimates


def _trials(seed: int, skill: float, seeds: int = 5, patients: int = 40, shared: float = 0.0) -> list[Trial]:
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


def difference(one: list[Trial], other: list[Trial], metric: str, **named: int) -> Difference:
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


@pytest.mark.parametrize("seeds", range(1, FEWEST_TRAININGS))
def test_few_trainings_give_no_verdict_however_large_the_difference(seeds: int) -> None:
    gain = difference(_trials(0, 0.95, seeds), _trials(1, 0.5, seeds), "accuracy")
    assert gain.verdict == "too few trainings for a verdict"
    assert gain.trainings == seeds


def test_a_single_training_has_no_interval() -> None:
    assert np.isnan(difference(_trials(0, 0.9, 1), _trials(1, 0.6, 1), "accuracy").interval.low)
    assert np.isnan(estimate(_trials(0, 0.9, 1), "accuracy").interval.low)


def test_trainings_that_are_all_right_do_not_promise_certainty() -> None:
    perfect = estimate(_trials(0, 2.0, patients=10), "accuracy")
    assert perfect.mean == perfect.interval.high == 1
    assert perfect.interval.low < 0.9


def test_two_that_answer_alike_are_not_told_apart_and_have_no_interval() -> None:
    alike = difference(_trials(0, 0.8), _trials(0, 0.8), "f1")
    assert (alike.mean, alike.p, alike.verdict) == (0, 1, "not shown")
    assert np.isnan(alike.interval.low)


def test_trainings_that_differ_much_rarely_make_a_false_verdict() -> None:
    """No way is better, but a training is now good, now bad; patients are the same for all, as in a given split."""
    random = np.random.default_rng(3)
    wrong = 0
    for turn in range(60):
        one, other = (
            [_trials(int(random.integers(1 << 30)), random.normal(0.7, 0.1), seeds=1)[0] for _ in range(5)]
            for _ in range(2)
        )
        wrong += differences(one, other, rounds=60, seed=turn)["f1"].verdict != "not shown"
    assert wrong <= 7


def test_another_p_can_take_a_verdict_back() -> None:
    gain = difference(_trials(0, 0.9), _trials(1, 0.6), "accuracy")
    assert gain.verdict_at(0.2) == "not shown"
