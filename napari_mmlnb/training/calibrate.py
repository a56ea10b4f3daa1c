"""What the calibration slides teach: temperatures, the set's quantile, the limits of familiarity and of the map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from napari_mmlnb.bundles.calibration import Branch, Calibration
from napari_mmlnb.models.familiarity import Familiarity
from napari_mmlnb.models.mmlnb import Mmlnb
from napari_mmlnb.training.bags import SlideBag

SHIFT_MARGIN = 1.5
ATTENTION_QUANTILE = 0.99
TILES_PER_SLIDE = 150


@dataclass(frozen=True)
class CalibrationLogits:
    """Logits (S, K) of each branch over the calibration slides, and the truth (S,)."""

    by_branch: dict[Branch, npt.NDArray[np.float64]]
    labels: npt.NDArray[np.int64]


def fit_familiarity(model: Familiarity, bags: tuple[SlideBag, ...], seed: int) -> None:
    """Learn what training tiles look like, each slide counting alike."""
    rng = np.random.default_rng(seed)
    tiles = [bag.features[rng.permutation(len(bag.features))[:TILES_PER_SLIDE]] for bag in bags]
    model.fit(torch.from_numpy(np.concatenate(tiles)))


def logits_of(model: Mmlnb, bags: tuple[SlideBag, ...], ids: Tensor) -> CalibrationLogits:
    """Ask the trained network about slides, with the token ids (S, T) of their texts."""
    model.eval()
    rows: dict[Branch, list[npt.NDArray[np.float64]]] = {"image": [], "text": [], "fused": []}
    with torch.inference_mode():
        for number, bag in enumerate(bags):
            features = torch.from_numpy(bag.features)[None]
            image = model.answer_image(features, torch.ones(features.shape[:2], dtype=torch.bool))
            fused = model.answer_fused(image, ids[number][None])
            rows["image"].append(image.logits[0].double().numpy())
            rows["text"].append(fused.text_logits[0].double().numpy())
            rows["fused"].append(fused.fused_logits[0].double().numpy())
    return CalibrationLogits(
        {branch: np.stack(values) for branch, values in rows.items()}, np.array([bag.slide.label for bag in bags])
    )


def fit_temperature(logits: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    """The temperature in [0.5, 10] with the least negative log-likelihood.

    Few calibration slides, all answered rightly, would drive it towards 0 and every answer towards certainty; hence
    the lower bound.
    """

    def cost(log_t: float) -> float:
        z = logits / np.exp(log_t)
        z = z - z.max(axis=1, keepdims=True)
        return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]).mean())

    return float(np.exp(minimize_scalar(cost, bounds=(np.log(0.5), np.log(10)), method="bounded").x))


def conformal_quantile(scores: npt.NDArray[np.float64], coverage: float) -> float:
    """Split-conformal quantile of 1 minus the true class's probability, with the finite-sample correction."""
    level = min(np.ceil((len(scores) + 1) * coverage) / len(scores), 1.0)
    return float(np.quantile(scores, level, method="higher"))


def calibrate(
    logits: CalibrationLogits,
    attention: list[npt.NDArray[np.float32]],
    shift_scores: list[float],
    coverage: float,
) -> Calibration:
    """Put a calibration together.

    Parameters
    ----------
    logits : CalibrationLogits
        Of the calibration slides.
    attention : list of ndarray
        Over each of them, in units of its mean.
    shift_scores : list of float
        The median familiarity of each of them.
    coverage : float
        Of the prediction sets.
    """
    temperature = {branch: fit_temperature(z, logits.labels) for branch, z in logits.by_branch.items()}
    draft = Calibration(
        temperature=temperature,
        conformal=0,
        coverage=coverage,
        attention_high=float(np.quantile(np.concatenate(attention), ATTENTION_QUANTILE)),
        shift_limit=max(shift_scores) * SHIFT_MARGIN,
        slides=len(logits.labels),
    )
    scores = np.array(
        [
            1 - draft.probabilities("fused", z.astype(np.float32))[label]
            for z, label in zip(logits.by_branch["fused"], logits.labels, strict=True)
        ]
    )
    return draft.model_copy(update={"conformal": conformal_quantile(scores, coverage)})
