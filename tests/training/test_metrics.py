from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from napari_mmlnb.training.metrics import auroc, confusion_matrix, expected_calibration_error


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=60))
def test_auroc_is_scikit_learns(pairs: list[tuple[int, bool]]) -> None:
    scores, positive = zip(*pairs, strict=True)
    ours = auroc(scores, positive)
    if len(set(positive)) < 2:
        assert math.isnan(ours)
    else:
        assert np.isclose(ours, reference.roc_auc_score(positive, scores))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_confusion_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = zip(*pairs, strict=True)
    expected = reference.confusion_matrix(truth, predicted, labels=[0, 1, 2])
    assert (confusion_matrix(truth, predicted, 3) == expected).all()


def test_calibration_error() -> None:
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0
    assert np.isclose(expected_calibration_error([0.85, 0.85], [True, False]), 0.35)
