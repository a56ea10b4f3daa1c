from __future__ import annotations

import numpy as np

from napari_mmlnb.training.calibrate import conformal_quantile, fit_temperature


def test_overconfident_logits_are_cooled_by_the_factor_that_made_them_so() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(4000, 3)) * 2
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(3, p=row) for row in p])
    assert abs(fit_temperature(z * 3, labels) - 3) < 0.3


def test_the_quantile_covers_what_it_says() -> None:
    rng = np.random.default_rng(1)
    hits = [(rng.random() <= conformal_quantile(rng.random(40), 0.9)) for _ in range(3000)]
    assert 0.88 <= np.mean(hits) <= 0.95
