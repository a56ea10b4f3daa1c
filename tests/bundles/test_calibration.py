from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.bundles.calibration import Calibration, FamiliarityLimits, read_calibration
from napari_mmlnb.errors import BundleError

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


def test_the_limit_of_a_slide_lies_between_those_of_fewer_and_of_more_tiles() -> None:
    limits = _calibration().familiarity
    assert [limits.slide_limit(n) for n in (1, 4, 8, 16, 5000)] == pytest.approx([9, 9, 6, 3, 3])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda found: found.pop("familiarity"), "familiarity"),
        (lambda found: found.update(shift_limit=2.5), "shift_limit"),
        (lambda found: found["familiarity"].update(tile_median=float("nan")), "tile_median"),
        (lambda found: found["familiarity"].update(slide=[[16, 3.0], [4, 9.0]]), "familiarity"),
        (lambda found: found["familiarity"].update(slide=[]), "slide"),
        (lambda found: found.update(conformal=float("nan")), "conformal"),
    ],
)
def test_a_calibration_of_another_version_or_without_numbers_is_refused(
    tmp_path: Path, change: Callable[[dict], object], named: str
) -> None:
    found = _calibration().model_dump(mode="json")
    change(found)
    (tmp_path / "calibration.json").write_text(json.dumps(found))
    with pytest.raises(BundleError, match=named) as caught:
        read_calibration(tmp_path)
    assert "--calibrate-only" in caught.value.remedy
