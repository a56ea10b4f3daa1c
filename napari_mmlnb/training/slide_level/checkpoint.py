"""Where a training at slide level stands, on the disk: one that is stopped goes on there, to the same end."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from napari_mmlnb.training.state_file import read_state, write_state


@dataclass(frozen=True)
class EpochRecord:
    """One epoch.

    Parameters
    ----------
    epoch : int
        From 1.
    phase : str
        Of the curriculum.
    alpha : float
        Weight of the fused loss; the image's has the rest.
    image_learns, text_learns : bool
        Whether the branch was trained; the fusion and the heads always are.
    loss, accuracy : float
        Over the training slides, while it learned.
    selection_f1, selection_f1_image, selection_f1_text : float
        Weighted F1 on the selection slides; NaN without any.
    selection_loss : float
        Cross-entropy of the fused answer there; NaN without any.
    gate : float
        Mean of the gate there; NaN without any.
    """

    epoch: int
    phase: str
    alpha: float
    image_learns: bool
    text_learns: bool
    loss: float
    accuracy: float
    selection_f1: float
    selection_f1_image: float
    selection_f1_text: float
    selection_loss: float
    gate: float

    def row(self) -> dict[str, Any]:
        """For a table."""
        return asdict(self)

    def scalars(self) -> dict[str, float]:
        """For TensorBoard."""
        return {name: float(value) for name, value in self.row().items() if name not in {"epoch", "phase"}}

    def line(self) -> str:
        """For a person."""
        line = (
            f"epoch {self.epoch:3d} {self.phase:11s} alpha {self.alpha:.2f} loss {self.loss:.3f} "
            f"training accuracy {self.accuracy:.3f}"
        )
        if self.selection_f1 != self.selection_f1:  # NaN: nothing to select on
            return line
        return (
            f"{line} selection F1 {self.selection_f1:.3f} (image {self.selection_f1_image:.3f}, text "
            f"{self.selection_f1_text:.3f}) gate {self.gate:.2f}"
        )


@dataclass(frozen=True)
class Checkpoint:
    """After an epoch. Order and dropout of the next follow from its number, so they need no place here.

    Parameters
    ----------
    digest : str
        Of what is trained.
    model, best : dict
        State of the network now, and of its best epoch.
    optimiser : dict
        State of the optimiser.
    records : tuple of EpochRecord
        All epochs so far.
    """

    digest: str
    model: dict[str, Tensor]
    best: dict[str, Tensor]
    optimiser: dict[str, Any]
    records: tuple[EpochRecord, ...]


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write it whole or not at all."""
    write_state(folder, {**vars(checkpoint), "records": [record.row() for record in checkpoint.records]})


def read_checkpoint(folder: Path, digest: str) -> Checkpoint | None:
    """What a training of the same thing has left; None where there is nothing, or it is damaged."""
    content = read_state(folder, digest)
    if content is None:
        return None
    try:
        records = tuple(EpochRecord(**row) for row in content.pop("records"))
        return Checkpoint(digest, **content, records=records)
    except (KeyError, TypeError):
        return None
