"""The last stage of a training, which can be run again on its own: what a trained network is calibrated with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from napari_mmlnb.bundles.bundle import TrainedParts
from napari_mmlnb.bundles.calibration import Calibration
from napari_mmlnb.describe.base import Describer
from napari_mmlnb.models.familiarity import SlideFamiliarity
from napari_mmlnb.training.slide_level.bags import Optics, SlideBag
from napari_mmlnb.training.slide_level.calibrate import SlideLogits, calibrate, logits_of
from napari_mmlnb.training.slide_level.familiarity import familiarity_limits, fit_slides, slide_distances
from napari_mmlnb.training.slide_level.loop import answer_bag, attention_in
from napari_mmlnb.training.slide_level.texts import describe_cohort, slide_text


@dataclass(frozen=True)
class Calibrated:
    """What the stage gives.

    Parameters
    ----------
    calibration : Calibration
        For `calibration.json`.
    slides : SlideFamiliarity
        For `statistics.safetensors`.
    logits : SlideLogits
        Of the calibration slides, for the model card.
    """

    calibration: Calibration
    slides: SlideFamiliarity
    logits: SlideLogits


def calibrate_parts(
    parts: TrainedParts,
    train: tuple[SlideBag, ...],
    held: tuple[SlideBag, ...],
    describer: Describer,
    optics: Optics,
    coverage: float,
    seed: int,
    log: Callable[[str], None],
) -> Calibrated:
    """Calibrate a trained network on slides that its training never saw.

    Parameters
    ----------
    parts : TrainedParts
        The network with what it was trained with.
    train : tuple of SlideBag
        The slides that it was trained on: what is familiar.
    held : tuple of SlideBag
        The calibration slides. Their evidence is chosen and described as a run does it.
    describer, optics
        As in use.
    coverage : float
        Of the prediction sets.
    seed : int
        Of what is drawn at random.
    log : callable
        Told a line at a time.
    """
    attention, logits = answer_cohort(parts, held, describer, optics, log)
    slides = fit_slides(parts.familiarity, train)
    limits = familiarity_limits(parts.familiarity, slides, held, seed)
    calibration = calibrate(logits, attention, limits, coverage)
    log("temperatures " + ", ".join(f"{b} {t:.2f}" for b, t in calibration.temperature.items()))
    scores = slide_distances(parts.familiarity, slides, held)
    log(
        f"distance of calibration slides {scores.min():.2f} to {scores.max():.2f}, limits "
        + ", ".join(f"{limit:.2f} ({count} tiles)" for count, limit in limits.slide)
    )
    log(
        f"limit of the median tile {limits.tile_median:.2f}, of a tile {limits.foreign_tile:.2f}, "
        f"of the share of foreign tiles {limits.foreign_share:.1%}"
    )
    log(f"attention scale 0 to {calibration.attention_high:.2f} times the mean")
    return Calibrated(calibration, slides, logits)


def answer_cohort(
    parts: TrainedParts,
    bags: tuple[SlideBag, ...],
    describer: Describer,
    optics: Optics,
    log: Callable[[str], None],
) -> tuple[list[npt.NDArray[np.float32]], SlideLogits]:
    """Answers for slides, their evidence chosen and described as a run does it; and the attention over each of them."""
    choice = parts.spec.evidence
    answers = [answer_bag(parts.system, bag) for bag in bags]
    attention = [attention_in(answer) for answer in answers]
    said = describe_cohort(bags, attention, describer, optics, choice, log, count=choice.tiles)
    texts = [
        slide_text(one, weights, bag.cells, describer, choice)
        for one, weights, bag in zip(said, attention, bags, strict=True)
    ]
    ids = torch.from_numpy(parts.tokenizer.encode(texts))
    return attention, logits_of(parts.system, answers, bags, ids)
