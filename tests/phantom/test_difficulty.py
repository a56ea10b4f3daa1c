"""What a slide looks like from afar must not give its subtype away."""

from __future__ import annotations

import numpy as np
import pytest

from napari_mmlnb.phantom.recipe import DECISIVE
from napari_mmlnb.phantom.slide import render_phantom
from napari_mmlnb.phantom.truth import NEUROBLASTIC


def _from_afar(rgb, truth):
    """Mean colour, mean stain densities and nuclear density of the tissue."""
    density = -np.log10(np.maximum(rgb[::2, ::2].astype(np.float32), 1.0) / 245.0)
    tissue = density.sum(axis=2) > 0.15
    stains = np.array([(0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78)], np.float32)
    amounts = density[tissue] @ np.linalg.inv(stains / np.linalg.norm(stains, axis=1, keepdims=True))
    nuclei = sum(truth.cells[kind] for kind in (*NEUROBLASTIC, "lymphocyte", "spindle")) / tissue.sum()
    return [
        *rgb[::2, ::2][tissue].mean(axis=0),
        amounts[:, 0].mean(),
        amounts[:, 1].mean(),
        (amounts[:, 0] > 0.35).mean(),
        nuclei,
    ]


@pytest.mark.slow
def test_logistic_regression_on_the_whole_slide_stays_at_or_below_0_6(capsys):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features, classes = [], []
    for label, subtype in enumerate(DECISIVE):
        for seed in range(15):
            rgb, _, truth = render_phantom(subtype=subtype, seed=9000 + seed, size=(2048, 2048))
            features.append(_from_afar(rgb, truth))
            classes.append(label)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    scores = [
        cross_val_score(model, np.array(features), classes, cv=StratifiedKFold(5, shuffle=True, random_state=i)).mean()
        for i in range(10)
    ]
    accuracy = float(np.mean(scores))
    with capsys.disabled():
        print(f"\nlogistic regression from afar: accuracy {accuracy:.2f}, at most 0.6; repeats {np.round(scores, 2)}")
    assert accuracy <= 0.6
