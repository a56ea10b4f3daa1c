"""What the calibration slides teach: temperatures, the set's quantile, the scale of the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from napari_mmlnb.bundles.calibration import Branch, Calibration, FamiliarityLimits
from napari_mmlnb.errors import MissingExtraError
from napari_mmlnb.models.mmlnb import Mmlnb
from napari_mmlnb.models.pooling.base import BagAnswer
from napari_mmlnb.training.slide_level.bags import SlideBag

ATTENTION_QUANTILE = 0.99
_ROUNDING = 1e-9


@dataclass(frozen=True)
class SlideLogits:
    """Logits (S, K) of each branch over slides, the truth (S,), and the gate (S,), 0 to 1: how far text was trusted."""

    by_branch: dict[Branch, npt.NDArray[np.float64]]
    labels: npt.NDArray[np.int64]
    gate: npt.NDArray[np.float64]

    def probabilities(self, branch: Branch) -> npt.NDArray[np.float64]:
        """(S, K), not calibrated."""
        z = self.by_branch[branch] - self.by_branch[branch].max(axis=1, keepdims=True)
        e = np.exp(z)
        return np.asarray(e / e.sum(axis=1, keepdims=True))


def logits_of(model: Mmlnb, answers: Sequence[BagAnswer], bags: tuple[SlideBag, ...], ids: Tensor) -> SlideLogits:
    """What a network says of slides whose image branch has answered, with the token ids (S, T) of their texts."""
    rows: dict[Branch, list[npt.NDArray[np.float64]]] = {"image": [], "text": [], "fused": []}
    gates = []
    with torch.inference_mode():
        for number, image in enumerate(answers):
            fused = model.fuse(image.embedding, ids[number][None].to(image.logits.device))
            rows["image"].append(_row(image.logits))
            rows["text"].append(_row(fused.text_logits))
            rows["fused"].append(_row(fused.fused_logits))
            gates.append(float(fused.gate[0]))
    return SlideLogits(
        {branch: np.stack(values) for branch, values in rows.items()},
        np.array([bag.slide.label for bag in bags]),
        np.array(gates),
    )


def _row(logits: Tensor) -> npt.NDArray[np.float64]:
    row: npt.NDArray[np.float64] = logits[0].cpu().double().numpy()  # no card of Apple's knows doubles
    return row


COOLEST, HOTTEST = 0.5, 10.0
"""Between these a temperature is looked for."""


def at_its_bound(temperature: float) -> bool:
    """Whether a temperature was held by its bound: the slides asked for one beyond."""
    return bool(np.isclose(temperature, (COOLEST, HOTTEST), rtol=0.01).any())


def fit_temperature(logits: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    """The temperature in [0.5, 10] with the least negative log-likelihood.

    Few calibration slides, all answered rightly, would drive it towards 0 and every answer towards certainty; hence
    the lower bound.
    """

    def cost(log_t: float) -> float:
        z = logits / np.exp(log_t)
        z = z - z.max(axis=1, keepdims=True)
        return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]).mean())

    return float(np.exp(minimize_scalar(cost, bounds=(np.log(COOLEST), np.log(HOTTEST)), method="bounded").x))


def conformal_quantile(scores: npt.NDArray[np.float64], coverage: float) -> float:
    """The largest score that still conforms: classes that score no more are in the prediction set.

    A split-conformal classifier (crepes) fitted on the scores gives each of them a p-value; the set at a coverage holds
    what has a p-value above 1 minus it. P-values fall as scores rise, so that one score bounds the set.

    Parameters
    ----------
    scores : ndarray
        (S,) nonconformity of the calibration slides' true classes, 1 minus their probability.
    coverage : float
        Share of slides whose set is to hold the truth.

    Raises
    ------
    MissingExtraError
        If crepes is not installed.

    Notes
    -----
    H. Bostroem, crepes: a Python package for generating conformal regressors and predictive systems, COPA 2022.
    """
    try:
        from crepes import ConformalClassifier  # noqa: PLC0415 (training only, and slow to import)
    except ImportError as error:
        raise MissingExtraError("crepes", "train") from error
    # A score of 1 (a class that is impossible) always conforms when there are too few slides for the coverage.
    candidates = np.append(scores, 1.0)
    p_values = ConformalClassifier().fit(scores).predict_p(candidates[:, None], smoothing=False)[:, 0]
    return float(candidates[p_values > 1 - coverage + _ROUNDING].max())


def calibrate(
    logits: SlideLogits,
    attention: list[npt.NDArray[np.float32]],
    familiarity: FamiliarityLimits,
    coverage: float,
) -> Calibration:
    """Put a calibration together.

    Parameters
    ----------
    logits : SlideLogits
        Of the calibration slides.
    attention : list of ndarray
        Over each of them, in units of its mean.
    familiarity : FamiliarityLimits
        Learnt on them too.
    coverage : float
        Of the prediction sets.
    """
    temperature = {branch: fit_temperature(z, logits.labels) for branch, z in logits.by_branch.items()}
    draft = Calibration(
        temperature=temperature,
        conformal=0,
        coverage=coverage,
        attention_high=float(np.quantile(np.concatenate(attention), ATTENTION_QUANTILE)),
        familiarity=familiarity,
        slides=len(logits.labels),
    )
    scores = np.array(
        [
            1 - draft.probabilities("fused", z.astype(np.float32))[label]
            for z, label in zip(logits.by_branch["fused"], logits.labels, strict=True)
        ]
    )
    return draft.model_copy(update={"conformal": conformal_quantile(scores, coverage)})
