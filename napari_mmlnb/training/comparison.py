"""Whether one way is better than another, over repeated trainings and over patients.

Bootstrap on two levels: trainings (seeds) and patients are drawn anew in each round, the same ones for both ways, so
that a difference is that of pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_mmlnb.training.metrics import IntArray
from napari_mmlnb.training.scores import COVERAGE, Interval, score

FloatArray = npt.NDArray[np.float64]
Metric = Literal["accuracy", "balanced_accuracy", "kappa", "f1", "precision", "recall", "auroc"]
Verdict = Literal["holds", "not shown", "the reverse holds"]

METRICS: tuple[Metric, ...] = get_args(Metric)
ROUNDS = 500


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
    """A mean over trainings, with its interval."""

    mean: float
    interval: Interval

    @property
    def verdict(self) -> Verdict:
        """What it says of a claim that it is above zero."""
        if self.interval.low > 0:
            return "holds"
        return "the reverse holds" if self.interval.high < 0 else "not shown"


def estimates(trials: Sequence[Trial], *, rounds: int = ROUNDS, seed: int = 0) -> dict[Metric, Estimate]:
    """Every metric over trainings."""
    return _estimated([_values(trial) for trial in trials], _draws(trials, [trials], rounds, seed)[0])


def differences(
    one: Sequence[Trial], other: Sequence[Trial], *, rounds: int = ROUNDS, seed: int = 0
) -> dict[Metric, Estimate]:
    """How much better `one` is than `other`, by every metric, trained with the same seeds on the same splits.

    Raises
    ------
    ValueError
        If their trainings do not report on the same cases.
    """
    if len(one) != len(other) or any(a.groups != b.groups for a, b in zip(one, other, strict=True)):
        raise ValueError("the two were not trained on the same splits")
    drawn = _draws(one, [one, other], rounds, seed)
    gains = [_values(a) - _values(b) for a, b in zip(one, other, strict=True)]
    return _estimated(gains, drawn[0] - drawn[1])


def _estimated(values: Sequence[FloatArray], drawn: FloatArray) -> dict[Metric, Estimate]:
    """From (M,) metrics of each training and what (rounds, M) draws made of their mean."""
    return {
        metric: Estimate(_mean(np.array(values)[:, column]), _interval(drawn[:, column]))
        for column, metric in enumerate(METRICS)
    }


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _interval(values: FloatArray) -> Interval:
    known = values[np.isfinite(values)]
    if not len(known):
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Interval(float(low), float(high))


def _draws(trials: Sequence[Trial], ways: Sequence[Sequence[Trial]], rounds: int, seed: int) -> FloatArray:
    """(ways, rounds, M): the mean over drawn trainings of each metric on drawn patients."""
    patients = sorted({patient for trial in trials for patient in trial.groups})
    place = {patient: number for number, patient in enumerate(patients)}
    of_patient = [np.array([place[patient] for patient in trial.groups]) for trial in trials]
    random = np.random.default_rng(seed)
    drawn = np.full((len(ways), rounds, len(METRICS)), np.nan)
    for turn in range(rounds):
        times = np.bincount(random.integers(0, len(patients), len(patients)), minlength=len(patients))
        chosen = random.integers(0, len(trials), len(trials)).tolist()
        rows = {n: np.repeat(np.arange(len(of_patient[n])), times[of_patient[n]]) for n in set(chosen)}
        for number, way in enumerate(ways):
            values = {n: _values(way[n], rows[n]) for n in rows if len(rows[n])}
            known = np.array([values[n] for n in chosen if n in values])
            for column in range(len(METRICS)) if len(known) else ():
                drawn[number, turn, column] = _mean(known[:, column])
    return drawn


def _values(trial: Trial, rows: IntArray | None = None) -> FloatArray:
    """(M,) metrics of a training, on some of its cases."""
    labels, p = trial.labels, trial.probabilities
    scores = score(labels, p) if rows is None else score(labels[rows], p[rows])
    return np.array([getattr(scores, metric) for metric in METRICS])
