"""The metrics of many weightings of one set of predictions at once: what intervals are drawn from.

A case with weight 2 counts as two; all weights 1 give the metrics as they are known.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_mmlnb.training.metrics import IntArray

FloatArray = npt.NDArray[np.float64]

_AT_ONCE = 2_000_000
"""Weights in memory: 16 MB, and a few times that for what is made of them."""


def weighted_scores(truth: IntArray, probabilities: FloatArray, weights: FloatArray) -> dict[str, FloatArray]:
    """Every metric of `scores.Scores`, by name, for each weighting.

    Parameters
    ----------
    truth : ndarray
        (n,) class numbers.
    probabilities : ndarray
        (n, K).
    weights : ndarray
        (R, n), none negative.

    Returns
    -------
    dict of str to ndarray
        (R,) each; NaN where a metric has no meaning.
    """
    rows = max(1, _AT_ONCE // len(truth))
    parts = [_part(truth, probabilities, weights[at : at + rows]) for at in range(0, len(weights), rows)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _part(truth: IntArray, probabilities: FloatArray, weights: FloatArray) -> dict[str, FloatArray]:
    cases, classes = probabilities.shape
    cells = np.zeros((cases, classes * classes))
    cells[np.arange(cases), truth * classes + probabilities.argmax(axis=1)] = 1
    counts = (weights @ cells).reshape(-1, classes, classes)
    true, predicted, right = counts.sum(axis=2), counts.sum(axis=1), np.einsum("rkk->rk", counts)
    recall, share = _ratio(right, true), true / counts.sum(axis=(1, 2))[:, None]
    return {
        "accuracy": (share * recall).sum(axis=1),
        "balanced_accuracy": recall.sum(axis=1) / (true > 0).sum(axis=1),
        "kappa": _kappa(counts),
        "f1": (share * _ratio(2 * right, true + predicted)).sum(axis=1),
        "precision": (share * _ratio(right, predicted)).sum(axis=1),
        "recall": (share * recall).sum(axis=1),
        "auroc": _macro_auroc(truth, probabilities, weights),
    }


def _ratio(part: FloatArray, whole: FloatArray, otherwise: float = 0.0) -> FloatArray:
    return np.divide(part, whole, out=np.full_like(part, otherwise), where=whole > 0)


def _kappa(counts: FloatArray) -> FloatArray:
    """Quadratic-weighted (Cohen, Psychol. Bull. 70, 1968); NaN where truth and prediction are all one class."""
    places = np.arange(counts.shape[1])
    steps = (places[:, None] - places[None, :]) ** 2.0
    by_chance = np.einsum("ri,ij,rj->r", counts.sum(axis=2), steps, counts.sum(axis=1)) / counts.sum(axis=(1, 2))
    return 1.0 - _ratio((counts * steps).sum(axis=(1, 2)), by_chance, float("nan"))


def _macro_auroc(truth: IntArray, probabilities: FloatArray, weights: FloatArray) -> FloatArray:
    """Mean of the classes that occur and do not fill everything; NaN where there is none."""
    areas = np.stack([_auroc(probabilities[:, k], truth == k, weights) for k in range(probabilities.shape[1])])
    known = np.isfinite(areas)
    return _ratio(np.where(known, areas, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64), float("nan"))


def _auroc(scores: FloatArray, positive: npt.NDArray[np.bool_], weights: FloatArray) -> FloatArray:
    """As `metrics.auroc`: the weight of the pairs in the right order, ties half."""
    order = np.argsort(scores, kind="stable")
    ordered, flags, of_case = scores[order], positive[order], weights[:, order]
    below = np.concatenate([np.zeros((len(weights), 1)), np.cumsum(of_case * ~flags, axis=1)], axis=1)
    first, last = (np.searchsorted(ordered, ordered[flags], side) for side in ("left", "right"))
    pairs = (of_case[:, flags] * (below[:, first] + below[:, last])).sum(axis=1) / 2
    return _ratio(pairs, of_case[:, flags].sum(axis=1) * below[:, -1], float("nan"))
