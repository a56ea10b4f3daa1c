r"""How good predictions are, with intervals that know that images of one patient are no independent witnesses.

The metrics are those of MMLNB's released code: accuracy, balanced accuracy, quadratic-weighted kappa, weighted F1,
precision and recall, macro one-vs-rest AUROC, and the confusion matrix. Intervals are over patients, not over images,
and are made by `intervals.score_interval`: never of no width, and wide where there are few patients.

How often they hold the truth, by `benchmarks/interval_coverage.py`, 400 made-up cohorts of each kind: of 3 to 60
patients with one image or three each, in 93 to 100 % for every metric, where 95 % are promised; the least, 89 %, of 24
patients with ten images each of which 97 % are answered rightly. Of very few patients they are wide rather than wrong.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from napari_mmlnb.training.intervals import COVERAGE, UNKNOWN, Interval, draw_patients, score_interval
from napari_mmlnb.training.metrics import IntArray, confusion_matrix
from napari_mmlnb.training.weighted_scores import FloatArray, weighted_scores

__all__ = ["COVERAGE", "ROUNDS", "Interval", "ScoreReport", "Scores", "score", "score_with_intervals"]

Figures = TypeVar("Figures", float, FloatArray)

ROUNDS = 1000

LOWEST = {"kappa": -1.0}
"""Of the metrics that do not start at 0."""

_BY_CLASS = frozenset({"balanced_accuracy", "kappa", "auroc"})
"""In these a class of few patients weighs as much as one of many."""


@dataclass(frozen=True)
class Scores:
    """Metrics of one set of predictions; each 0 to 1 but for kappa, which is -1 to 1. NaN where it has no meaning.

    Parameters
    ----------
    accuracy : float
        Share of right answers.
    balanced_accuracy : float
        Mean recall over the classes that occur.
    kappa : float
        Cohen's, quadratic weights: steps between the classes in the order of their numbers. Another order gives
        another kappa, so it means something only where the classes have an order and are numbered in it.
    f1, precision, recall : float
        Means over the classes, weighted by how often each occurs; a class that is never predicted has precision 0.
    auroc : float
        Mean over the classes, one against the rest, of those that occur and do not fill everything.
    """

    accuracy: float
    balanced_accuracy: float
    kappa: float
    f1: float
    precision: float
    recall: float
    auroc: float


@dataclass(frozen=True)
class ScoreReport:
    """Metrics, their intervals, and the matrix that they come from.

    Parameters
    ----------
    scores : Scores
        Of all predictions.
    intervals : mapping of str to Interval
        By the metric's name; NaN where the metric is.
    confusion : ndarray
        (K, K) counts; rows are the truth.
    cases, groups : int
        How many predictions, of how many patients.
    """

    scores: Scores
    intervals: dict[str, Interval]
    confusion: IntArray
    cases: int
    groups: int


def score(truth: Sequence[int] | IntArray, probabilities: npt.ArrayLike) -> Scores:
    """Score predictions.

    Parameters
    ----------
    truth : sequence of int
        (n,) class numbers, n at least 1.
    probabilities : array_like
        (n, K).
    """
    y, p = np.asarray(truth, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    return Scores(**{name: float(value[0]) for name, value in weighted_scores(y, p, np.ones((1, len(y)))).items()})


def score_with_intervals(
    truth: Sequence[int] | IntArray,
    probabilities: npt.ArrayLike,
    groups: Sequence[Hashable],
    *,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> ScoreReport:
    """Score predictions, and say how sure that is.

    Parameters
    ----------
    truth : sequence of int
        (n,) class numbers.
    probabilities : array_like
        (n, K).
    groups : sequence
        (n,), which predictions belong together: the patient of each.
    rounds : int
        Of the draws of patients that give the variances.
    seed : int
        The same seed gives the same intervals.

    Raises
    ------
    ValueError
        If the three do not have the same length, or are empty.
    """
    y, p = np.asarray(truth, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    if not len(y) == len(p) == len(groups) or not len(y):
        raise ValueError(f"{len(y)} classes, {len(p)} predictions and {len(groups)} groups")
    of_case, classes = patients_of(y, groups)
    weights = draw_patients(classes, rounds, np.random.default_rng(seed))
    drawn = weighted_scores(y, p, weights[:, of_case])
    scores = score(y, p)
    intervals = {
        name: _interval(name, getattr(scores, name), values, len(y), classes) for name, values in drawn.items()
    }
    matrix = confusion_matrix(y.tolist(), p.argmax(axis=1).tolist(), p.shape[1])
    return ScoreReport(scores, intervals, matrix, len(y), len(classes))


def patients_of(truth: IntArray, groups: Sequence[Hashable]) -> tuple[IntArray, IntArray]:
    """(n,) the number of each case's patient, and (P,) the class that most of a patient's cases have."""
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    of_case = np.array([numbers[group] for group in groups], dtype=np.int64)
    counts = np.zeros((len(numbers), int(truth.max()) + 1), dtype=np.int64)
    np.add.at(counts, (of_case, truth), 1)
    return of_case, counts.argmax(axis=1).astype(np.int64)


def to_unit(name: str, value: Figures) -> Figures:
    """A metric, or drawn ones, on the scale from 0 to 1."""
    low = LOWEST.get(name, 0.0)
    return (value - low) / (1 - low)


def from_unit(name: str, interval: Interval) -> Interval:
    """An interval from 0 to 1 on the metric's own scale."""
    low = LOWEST.get(name, 0.0)
    return Interval(low + (1 - low) * interval.low, low + (1 - low) * interval.high)


def counted_patients(name: str, classes: IntArray) -> float:
    """How many patients stand behind a metric, from (P,) their classes.

    All of them, where a patient weighs as much as any other; where a class weighs as much as any other, as many as
    that leaves: of ten, ten and one patient, 7.5.
    """
    counts = np.unique(classes, return_counts=True)[1]
    return float(len(counts) ** 2 / (1 / counts).sum()) if name in _BY_CLASS else float(len(classes))


def _interval(name: str, value: float, drawn: FloatArray, cases: int, classes: IntArray) -> Interval:
    known = drawn[np.isfinite(drawn)]
    if len(known) < 2:
        return UNKNOWN
    counts = np.unique(classes, return_counts=True)[1]
    patients = counted_patients(name, classes)
    # What a class of one or two patients leaves to chance is hardly seen in draws of them.
    most = patients if counts.min() < _FEW else float(cases)
    variance = float(np.var(to_unit(name, known)))
    return from_unit(name, score_interval(to_unit(name, value), variance, most, patients, patients - len(counts)))


_FEW = 3
