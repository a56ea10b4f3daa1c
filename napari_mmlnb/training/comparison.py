"""Whether one way is better than another, over repeated trainings and over patients.

Another time both the trainings (seeds) and the patients would be others; `intervals.crossed_variance` says what that
leaves to chance. A difference is that of pairs: the same seeds, the same patients. The patients that are learned from
are mostly the same in all trainings, so nothing here says what another cohort to learn from would change.

Where there is no difference, five trainings find one in 3 to 6 % of made-up ablations, ten in 5 to 7 %
(`benchmarks/interval_coverage.py`, 300 of each kind).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_mmlnb.training.intervals import (
    UNKNOWN,
    CrossedVariance,
    Interval,
    crossed_variance,
    difference_interval,
    draw_patients,
    score_interval,
)
from napari_mmlnb.training.metrics import IntArray
from napari_mmlnb.training.scores import counted_patients, from_unit, patients_of, to_unit
from napari_mmlnb.training.weighted_scores import weighted_scores

FloatArray = npt.NDArray[np.float64]
Metric = Literal["accuracy", "balanced_accuracy", "kappa", "f1", "precision", "recall", "auroc"]
Verdict = Literal["holds", "not shown", "the reverse holds", "too few trainings for a verdict"]

METRICS: tuple[Metric, ...] = get_args(Metric)
ROUNDS = 500
FEWEST_TRAININGS = 5
"""For a verdict: of fewer, nobody can tell how much trainings differ."""
LEVEL = 0.05
"""A p below it is a verdict."""


@dataclass(frozen=True)
class Trial:
    """What one training said of the cases that it reports on.

    Parameters
    ----------
    labels : ndarray
        (n,) class numbers.
    probabilities : ndarray
        (n, K).
    groups : tuple of str
        (n,), the patients.
    """

    labels: IntArray
    probabilities: FloatArray
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Estimate:
    """A mean over trainings, with its interval.

    Parameters
    ----------
    mean : float
        Over the trainings where it has a meaning.
    interval : Interval
        NaN where there is none: of a single training, or where nothing varies.
    trainings : int
        How many.
    """

    mean: float
    interval: Interval
    trainings: int


@dataclass(frozen=True)
class Difference(Estimate):
    """How much better one way is than another.

    Parameters
    ----------
    p : float
        Two-sided, of there being no difference; NaN where there is no interval.
    """

    p: float

    @property
    def verdict(self) -> Verdict:
        """What it says, tested by itself, of a claim that it is above zero."""
        return self.verdict_at(self.p)

    def verdict_at(self, p: float) -> Verdict:
        """What it says of that claim with another p: one that knows how many claims were tested."""
        if self.trainings < FEWEST_TRAININGS:
            return "too few trainings for a verdict"
        if not p < LEVEL:
            return "not shown"
        return "holds" if self.mean > 0 else "the reverse holds"


def estimates(trials: Sequence[Trial], *, rounds: int = ROUNDS, seed: int = 0) -> dict[Metric, Estimate]:
    """Every metric over trainings; its interval is Wilson's, as that of a single training is."""
    measured, drawn, classes = _figures([trials], rounds, seed)
    cases = float(sum(len(trial.labels) for trial in trials))
    found: dict[Metric, Estimate] = {}
    for metric in METRICS:
        values, variance = _crossed(to_unit(metric, measured[metric][0]), to_unit(metric, drawn[metric][0]))
        mean = _mean(values)
        patients = counted_patients(metric, classes)
        inside = UNKNOWN
        if variance is not None:
            inside = score_interval(mean, variance.total, cases, patients, variance.freedom)
        found[metric] = Estimate(_mean(measured[metric][0]), from_unit(metric, inside), len(trials))
    return found


def differences(
    one: Sequence[Trial], other: Sequence[Trial], *, rounds: int = ROUNDS, seed: int = 0
) -> dict[Metric, Difference]:
    """How much better `one` is than `other`, by every metric, trained with the same seeds on the same splits.

    Raises
    ------
    ValueError
        If their trainings do not report on the same cases.
    """
    if len(one) != len(other) or any(a.groups != b.groups for a, b in zip(one, other, strict=True)):
        raise ValueError("the two were not trained on the same splits")
    measured, drawn, _ = _figures([one, other], rounds, seed)
    found: dict[Metric, Difference] = {}
    for metric in METRICS:
        gains = measured[metric][0] - measured[metric][1]
        values, variance = _crossed(gains, drawn[metric][0] - drawn[metric][1])
        mean = _mean(values)
        interval, p = (UNKNOWN, float("nan")) if variance is None else difference_interval(mean, variance)
        found[metric] = Difference(mean, interval, len(one), p)
    return found


def _crossed(values: FloatArray, drawn: FloatArray) -> tuple[FloatArray, CrossedVariance | None]:
    """The (S,) values that have a meaning, and their variance, also from (rounds, S) draws; None for one training."""
    known = np.isfinite(values)
    rounds = np.isfinite(drawn[:, known]).all(axis=1)
    if known.sum() < 2 or rounds.sum() < 2:
        return values[known], None
    return values[known], crossed_variance(values[known], drawn[rounds][:, known])


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _figures(
    ways: Sequence[Sequence[Trial]], rounds: int, seed: int
) -> tuple[dict[str, FloatArray], dict[str, FloatArray], IntArray]:
    """Metric to (ways, S) as measured and to (ways, rounds, S) on drawn patients, the same ones for all; their classes.

    A patient whom several trainings report on counts the same in all of them.
    """
    trials = ways[0]
    everyone = [patient for trial in trials for patient in trial.groups]
    of_case, classes = patients_of(np.concatenate([trial.labels for trial in trials]), everyone)
    weights = draw_patients(classes, rounds, np.random.default_rng(seed))
    ends = np.cumsum([len(trial.labels) for trial in trials])[:-1]
    measured: dict[str, FloatArray] = {metric: np.empty((len(ways), len(trials))) for metric in METRICS}
    drawn: dict[str, FloatArray] = {metric: np.empty((len(ways), rounds, len(trials))) for metric in METRICS}
    for column, rows in enumerate(np.split(of_case, ends)):
        counts = np.concatenate([np.ones((1, len(rows))), weights[:, rows]])
        for number, way in enumerate(ways):
            values = weighted_scores(way[column].labels, way[column].probabilities, counts)
            for metric in METRICS:
                measured[metric][number, column] = values[metric][0]
                drawn[metric][number, :, column] = values[metric][1:]
    return measured, drawn, classes
