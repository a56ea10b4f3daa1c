"""What chance may have moved: patients class by class, and claims that are tested together."""

from __future__ import annotations

import numpy as np
import pytest

from napari_mmlnb.training.intervals import crossed_variance, draw_patients, holm, score_interval


def test_every_draw_has_every_class_and_as_much_of_it() -> None:
    classes = np.array([0] * 12 + [1] * 3 + [2] * 2 + [3])
    weights = draw_patients(classes, 500, np.random.default_rng(0))
    for number in range(4):
        assert weights[:, classes == number].sum(axis=1) == pytest.approx((classes == number).sum())
    assert (weights > 0).all()
    assert (weights[:, -1] == 1).all(), "one patient alone has nothing to draw"


@pytest.mark.parametrize("patients", [3, 6, 20])
def test_the_variance_of_a_mean_is_the_unbiased_one(patients: int) -> None:
    values = np.random.default_rng(1).random(patients)
    weights = draw_patients(np.zeros(patients, dtype=np.int64), 20_000, np.random.default_rng(2))
    drawn = weights @ values / patients
    assert drawn.var() == pytest.approx(values.var(ddof=1) / patients, rel=0.1)


def test_an_interval_has_a_width_also_where_nothing_varies() -> None:
    right = score_interval(1.0, 0.0, most=30, otherwise=10, freedom=8)
    assert right.high == pytest.approx(1)
    assert right.low < 0.7
    assert score_interval(1.0, 0.0, most=300, otherwise=100, freedom=98).low > right.low
    assert np.isnan(score_interval(float("nan"), 0.0, 30, 10, 8).low)


def test_claims_that_are_tested_together_need_smaller_p() -> None:
    """The example of Holm's procedure worked by hand; what cannot be tested still counts."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    adjusted = holm([float("nan"), 0.02])
    assert np.isnan(adjusted[0])
    assert adjusted[1] == pytest.approx(0.04)
    assert holm([]) == []


def test_trainings_that_lie_together_by_luck_are_no_less_uncertain_than_their_patients() -> None:
    """Five that agree to a thousandth, each on patients that alone leave a tenth to chance."""
    drawn = np.random.default_rng(0).normal(0.2, 0.1, (4000, 5))
    variance = crossed_variance(0.2 + np.arange(5) * 1e-3, drawn)
    assert variance.trainings == pytest.approx(0.1**2 / 5, rel=0.1)
    assert variance.patients < 1e-3


def test_more_trainings_on_the_same_patients_do_not_make_them_more() -> None:
    """What is common to all trainings stays."""
    random = np.random.default_rng(1)
    common = random.normal(0, 0.1, (4000, 1))
    few, many = (
        crossed_variance(random.normal(0.2, 0.02, count), common + random.normal(0, 0.02, (4000, count)))
        for count in (5, 50)
    )
    assert many.trainings < 0.3 * few.trainings
    assert few.patients == pytest.approx(0.1**2, rel=0.1)
    assert many.patients == pytest.approx(0.1**2, rel=0.1)
