r"""How good predictions are, with intervals that know that images of one patient are no independent witnesses.

The metrics are those of MMLNB's released code: accuracy, balanced accuracy, quadratic-weighted kappa, weighted F1,
precision and recall, macro one-vs-rest AUROC, and the confusion matrix. Intervals are percentile bootstrap over groups
(patients), not over images.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from napari_mmlnb.training.metrics import IntArray, auroc, confusion_matrix

FloatArray = npt.NDArray[np.float64]

ROUNDS = 1000
COVERAGE = 0.95


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
        Cohen's, quadratic weights, classes in their order.
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
class Interval:
    """Where a metric lies with `COVERAGE` confidence; both NaN where too few rounds had a value."""

    low: float
    high: float


@dataclass(frozen=True)
class ScoreReport:
    """Metrics, their intervals, and the matrix that they come from.

    Parameters
    ----------
    scores : Scores
        Of all predictions.
    intervals : mapping of str to Interval
        By the metric's name.
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
    matrix = confusion_matrix(y.tolist(), p.argmax(axis=1).tolist(), p.shape[1])
    return Scores(**_of_matrix(matrix), auroc=_macro_auroc(y, p))


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
        Of the bootstrap.
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
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    of_group = np.array([numbers[group] for group in groups])
    members = [np.flatnonzero(of_group == number) for number in range(len(numbers))]
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(rounds):
        rows = np.concatenate([members[i] for i in random.integers(0, len(members), len(members))])
        drawn.append(_values(score(y[rows], p[rows])))
    intervals = {name: _interval(values) for name, values in zip(_NAMES, np.array(drawn).T, strict=True)}
    matrix = confusion_matrix(y.tolist(), p.argmax(axis=1).tolist(), p.shape[1])
    return ScoreReport(score(y, p), intervals, matrix, len(y), len(members))


_NAMES = tuple(field.name for field in fields(Scores))


def _values(scores: Scores) -> list[float]:
    return [getattr(scores, name) for name in _NAMES]


def _interval(values: FloatArray) -> Interval:
    known = values[np.isfinite(values)]
    if len(known) < len(values) / 2:
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Interval(float(low), float(high))


def _of_matrix(matrix: IntArray) -> dict[str, float]:
    """Every metric that the confusion matrix alone decides."""
    counts = matrix.astype(np.float64)
    truth, predicted, right = counts.sum(axis=1), counts.sum(axis=0), np.diag(counts)
    total = counts.sum()
    recall = _ratio(right, truth)
    precision = _ratio(right, predicted)
    f1 = _ratio(2 * right, truth + predicted)
    weight = truth / total
    return {
        "accuracy": float(right.sum() / total),
        "balanced_accuracy": float(recall[truth > 0].mean()),
        "kappa": _kappa(counts),
        "f1": float(weight @ f1),
        "precision": float(weight @ precision),
        "recall": float(weight @ recall),
    }


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _kappa(counts: FloatArray) -> float:
    """Quadratic-weighted (Cohen, Psychol. Bull. 70, 1968); NaN where truth and prediction are all one class."""
    places = np.arange(len(counts))
    weights = (places[:, None] - places[None, :]) ** 2.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    by_chance = float((weights * expected).sum())
    return 1.0 - float((weights * counts).sum()) / by_chance if by_chance else float("nan")


def _macro_auroc(truth: IntArray, probabilities: FloatArray) -> float:
    areas = [auroc(probabilities[:, k], truth == k) for k in range(probabilities.shape[1])]
    known = [area for area in areas if np.isfinite(area)]
    return float(np.mean(known)) if known else float("nan")
