"""From the features of a slide to what the bundle says of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.calibration import Branch
from napari_mmlnb.inference.encoding import FeatureArray
from napari_mmlnb.models.mmlnb import ImageAnswer
from napari_mmlnb.result import Probabilities, Shift, TextTrust


@dataclass(frozen=True)
class SlideAnswer:
    """What the image branch says of a bag.

    Parameters
    ----------
    attention : ndarray
        (n,) float32, in units of the mean: 1 is average, they sum to n.
    contribution : ndarray
        (n, K) float32; their sum over the tiles plus the head's bias is `logits`.
    logits : ndarray
        (K,) float32.
    raw : ImageAnswer
        The same as tensors, for the fusion.
    """

    attention: npt.NDArray[np.float32]
    contribution: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32]
    raw: ImageAnswer


def answer_image(bundle: Bundle, features: FeatureArray, device: torch.device) -> SlideAnswer:
    """Aggregate a bag of (n, F) features, n at least 1, in the order of the grid."""
    with torch.inference_mode():
        bag = torch.from_numpy(features)[None].to(device)
        raw = bundle.system.to(device).answer_image(bag, torch.ones(bag.shape[:2], dtype=torch.bool, device=device))
    return SlideAnswer(
        attention=(raw.pooled.attention[0].cpu().numpy() * len(features)).astype(np.float32),
        contribution=raw.contribution[0].cpu().numpy(),
        logits=raw.logits[0].cpu().numpy(),
        raw=raw,
    )


def answer_fused(
    bundle: Bundle, image: SlideAnswer, text: str, device: torch.device
) -> tuple[Probabilities, TextTrust]:
    """Calibrated probabilities of all branches, and how far the text was trusted."""
    with torch.inference_mode():
        ids = torch.from_numpy(bundle.tokenizer.encode([text])).to(device)
        fused = bundle.system.to(device).answer_fused(image.raw, ids)
    logits: dict[Branch, npt.NDArray[np.float32]] = {
        "image": image.logits,
        "text": fused.text_logits[0].cpu().numpy(),
        "fused": fused.fused_logits[0].cpu().numpy(),
    }
    by_branch = {
        branch: dict(zip(bundle.spec.class_ids, map(float, bundle.calibration.probabilities(branch, z)), strict=True))
        for branch, z in logits.items()
    }
    return Probabilities(**by_branch), TextTrust(gate=float(fused.gate[0]))


def measure_shift(bundle: Bundle, features: FeatureArray) -> Shift:
    """How far the slide's median tile lies from the training tiles."""
    with torch.inference_mode():
        scores = bundle.familiarity(torch.from_numpy(features))
    return Shift(score=float(scores.median()), limit=bundle.calibration.shift_limit)
