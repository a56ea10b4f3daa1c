from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.bundles.calibration import Calibration, FamiliarityLimits

LOGITS = st.lists(st.floats(-20, 20), min_size=2, max_size=6)


def _calibration(temperature: float = 1.0, conformal: float = 0.5) -> Calibration:
    return Calibration(
        temperature={"image": temperature, "text": temperature, "fused": temperature},
        conformal=conformal,
        coverage=0.9,
        attention_high=2,
        familiarity=FamiliarityLimits(tile_median=2, slide=((4, 9), (16, 3)), foreign_tile=4, foreign_share=0.1),
        slides=10,
    )


@given(LOGITS, st.floats(0.5, 10))
def test_probabilities_sum_to_one_and_keep_the_order(logits: list[float], temperature: float) -> None:
    z = np.array(logits, dtype=np.float32)
    p = _calibration(temperature).probabilities("fused", z)
    assert np.isclose(p.sum(), 1)
    assert p[z.argmax()] == p.max()


@given(LOGITS)
def test_a_higher_temperature_never_makes_the_answer_surer(logits: list[float]) -> None:
    z = np.array(logits, dtype=np.float32)
    assert _calibration(3).probabilities("fused", z).max() <= _calibration(1).probabilities("fused", z).max() + 1e-12


@given(LOGITS, st.floats(0, 1))
def test_the_set_is_never_empty_and_begins_with_the_best(logits: list[float], conformal: float) -> None:
    calibration = _calibration(conformal=conformal)
    p = calibration.probabilities("fused", np.array(logits, dtype=np.float32))
    chosen = calibration.prediction_set(p)
    assert p[chosen[0]] == p.max()
    assert all(p[i] >= 1 - conformal for i in chosen[1:])
