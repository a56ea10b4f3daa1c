"""Figures that say how good a model is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


def confusion_matrix(truth: Sequence[int], predicted: Sequence[int], classes: int) -> IntArray:
    """Counts, (classes, classes); rows are the truth, columns the prediction."""
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (np.asarray(truth, dtype=int), np.asarray(predicted, dtype=int)), 1)
    return matrix


def auroc(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """Area under the ROC curve: pairs in the right order (Mann-Whitney), ties half; NaN where one side is empty."""
    flags, values = np.asarray(positive, dtype=bool), np.asarray(scores, dtype=np.float64)
    above, below = values[flags], np.sort(values[~flags])
    if not len(above) or not len(below):
        return float("nan")
    pairs = np.searchsorted(below, above, "left").sum() + np.searchsorted(below, above, "right").sum()
    return float(pairs / (2 * len(above) * len(below)))


def expected_calibration_error(confidence: npt.ArrayLike, correct: npt.ArrayLike, bins: int = 10) -> float:
    """Mean gap between stated and true share of right answers, weighted by bin (Guo et al., arXiv 1706.04599)."""
    p, hit = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    which = np.minimum((p * bins).astype(int), bins - 1)
    return float(
        sum(
            (which == b).mean() * abs(p[which == b].mean() - hit[which == b].mean())
            for b in range(bins)
            if (which == b).any()
        )
    )
