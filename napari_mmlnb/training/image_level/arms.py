"""What can be trained on images and texts: PRMF as published, and what it is judged beside.

The paper's ablations support the second modality and PRMF; how they were made is not known. Our design, after MMLNB:
every arm has the same towers, data, epochs and optimiser, and the epoch that is kept is chosen in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from napari_mmlnb.models.image_text import ImageTextNetwork, ImageTextPrmf
from napari_mmlnb.models.image_text_arms import Concatenated, ImageOnly, TextOnly
from napari_mmlnb.models.towers.image import ImageTower
from napari_mmlnb.models.towers.text import TextTower
from napari_mmlnb.registry import Registry
from napari_mmlnb.training.config import CurriculumConfig
from napari_mmlnb.training.curriculum import Phase, gate_last, phase_at

PRMF, GATE_LAST = "prmf", "prmf-gate-last"


@dataclass(frozen=True)
class Arm:
    """A network and its curriculum.

    Parameters
    ----------
    name : str
        As `arm` in a configuration.
    summary : str
        For a table.
    network : callable
        Made of both towers and the number of classes.
    phase : callable
        The rule of an epoch, counted from 0.
    modalities : tuple of str
        What it looks at.
    """

    name: str
    summary: str
    network: Callable[[ImageTower, TextTower, int], ImageTextNetwork]
    phase: Callable[[int, CurriculumConfig], Phase]
    modalities: tuple[str, ...] = ("image", "text")

    @property
    def image_answers(self) -> bool:
        """Whether the image has an answer of its own beside the network's."""
        return "image" in self.modalities


def _all_at_once(epoch: int, config: CurriculumConfig) -> Phase:
    """Everything learns all the time, from the answer alone; raises ValueError where the curriculum is over."""
    phase_at(epoch, config)
    return Phase("all at once", 1.0, text_learns=True, image_learns=True)


def _gate_last(epoch: int, config: CurriculumConfig) -> Phase:
    return gate_last(phase_at(epoch, config))


ARMS = Registry(
    "arm",
    (
        Arm(PRMF, "PRMF: gate and curriculum, as published", ImageTextPrmf, phase_at),
        Arm(GATE_LAST, "PRMF, its gate learning in the last phase only", ImageTextPrmf, _gate_last),
        Arm("prmf-no-curriculum", "PRMF's gate, all parts learning at once", ImageTextPrmf, _all_at_once),
        Arm("concatenation", "both side by side, without a gate", Concatenated, _all_at_once),
        Arm("image-only", "the image alone", ImageOnly, _all_at_once, ("image",)),
        Arm("text-only", "the text alone", TextOnly, _all_at_once, ("text",)),
    ),
)
