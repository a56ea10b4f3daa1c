"""The progressive half of PRMF: which part learns when, and how much each loss counts.

Source: MMLNB (arXiv 2503.12927), its released code: 50 epochs image first, 50 joint, 50 to consolidate. There the
epoch counter never advances, so the weight stays at 0.3; here it is passed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from napari_mmlnb.training.config import CurriculumConfig

_STEPS = 5
IMAGE_FIRST, CONSOLIDATE = "image first", "consolidate"


@dataclass(frozen=True)
class Phase:
    """One epoch's rule.

    Parameters
    ----------
    name : str
        "image first", "joint" or "consolidate".
    alpha : float
        Loss = alpha CE(fused) + (1 - alpha) CE(image) as published, to which `loop` adds the text head's own.
    text_learns, image_learns : bool
        Whether the branch's encoder is trained; a frozen one is put in evaluation mode, dropout included.
    gate_learns : bool
        Whether PRMF's confidence gate is trained.
    """

    name: str
    alpha: float
    text_learns: bool
    image_learns: bool
    gate_learns: bool = True


def phase_at(epoch: int, config: CurriculumConfig) -> Phase:
    """The rule of an epoch, counted from 0.

    Raises
    ------
    ValueError
        If the curriculum is over by then.
    """
    if epoch < 0 or epoch >= config.image_first + config.joint + config.consolidate:
        raise ValueError(f"the curriculum has no epoch {epoch}")
    if epoch < config.image_first:
        return Phase(IMAGE_FIRST, 0.30, text_learns=False, image_learns=True)
    step = epoch - config.image_first
    if step < config.joint:
        return Phase("joint", 0.30 + 0.14 * (step * _STEPS // config.joint), text_learns=True, image_learns=True)
    return Phase(CONSOLIDATE, 1.0, text_learns=False, image_learns=False)


def gate_last(phase: Phase) -> Phase:
    """The same rule, but the gate learns only once both branches have: our design, after MMLNB.

    A text branch that is frozen tells little while the image branch learns. A gate that learns meanwhile closes upon
    it, and a sigmoid that has come near to 0 does not come back: text is then never trusted again, however good it
    becomes. Until the last phase the gate therefore stays where it started, near one half.
    """
    return replace(phase, gate_learns=phase.name == CONSOLIDATE)


def epochs(config: CurriculumConfig) -> Iterator[tuple[int, Phase]]:
    """All epochs with their rules."""
    for epoch in range(config.image_first + config.joint + config.consolidate):
        yield epoch, phase_at(epoch, config)
