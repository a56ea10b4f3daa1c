"""From the features of a slide to what the bundle says of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.calibration import Branch
from napari_mmlnb.inference.encoding import FeatureArray
from napari_mmlnb.models.pooling.base import RatedTiles
from napari_mmlnb.models.pooling.chunks import in_chunks
from napari_mmlnb.result import Probabilities, TextTrust

MOST_INSTANCES = 40_000
"""Tiles of which the projected features stay in memory: 80 MB of 512 numbers each."""


@dataclass(frozen=True)
class TileAnswer:
    """What the image branch says of each tile of a bag, and of all of them.

    Parameters
    ----------
    attention : ndarray
        (n,) float32, in units of the mean: 1 is average, they sum to n.
    contribution : ndarray
        (n, K) float32; their sum over the tiles plus the head's bias is `logits`.
    logits : ndarray
        (K,) float32.
    """

    attention: npt.NDArray[np.float32]
    contribution: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32]


@dataclass(frozen=True)
class SlideAnswer(TileAnswer):
    """The same, ready to be fused with text.

    Parameters
    ----------
    embedding : Tensor
        (1, D), the slide's vector.
    ratings : RatedTiles
        Of each tile for itself.
    """

    embedding: Tensor
    ratings: RatedTiles


def rate_tiles(bundle: Bundle, features: FeatureArray, device: torch.device) -> RatedTiles:
    """Rate a bag of (n, F) features, n at least 1, in the order of the grid, in bounded memory."""
    chunks = (chunk.to(device) for chunk in in_chunks(torch.from_numpy(features)))
    keep = len(features) <= MOST_INSTANCES
    return bundle.system.to(device).rate_in_chunks(chunks, keep_instances=keep)


def answer_image(bundle: Bundle, ratings: RatedTiles) -> SlideAnswer:
    """Aggregate a bag of rated tiles, in the order of the grid.

    Raises
    ------
    ValueError
        If the system does not split its logits among the tiles: nothing is shown as a contribution that is none.
    """
    answer = bundle.system.answer_rated(ratings)
    if answer.contributions is None:
        raise ValueError("this system does not split its logits among the tiles")
    attention = answer.attention[0].cpu().numpy()
    return SlideAnswer(
        attention=(attention * len(attention)).astype(np.float32),
        contribution=answer.contributions[0].cpu().numpy(),
        logits=answer.logits[0].cpu().numpy(),
        embedding=answer.embedding,
        ratings=ratings,
    )


def answer_fused(
    bundle: Bundle, image: SlideAnswer, text: str, device: torch.device
) -> tuple[Probabilities, TextTrust]:
    """Calibrated probabilities of all branches, and how far the text was trusted."""
    with torch.inference_mode():
        ids = torch.from_numpy(bundle.tokenizer.encode([text])).to(device)
        fused = bundle.system.to(device).fuse(image.embedding, ids)
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
