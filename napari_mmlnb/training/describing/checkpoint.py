"""Where a fine-tuning stands, on the disk: one that is stopped goes on there, to the same end."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from napari_mmlnb.training.describing.loop import StepRecord
from napari_mmlnb.training.state_file import read_state, write_state


@dataclass(frozen=True)
class EpochRecord:
    """One epoch.

    Parameters
    ----------
    epoch : int
        From 1.
    loss, selection_loss : float
        Mean over the answers' tokens: of its steps, and after it on the part that chooses.
    """

    epoch: int
    loss: float
    selection_loss: float


@dataclass(frozen=True)
class Checkpoint:
    """After a step.

    Order and dropout of a step follow from its number, so they need no place here.

    Parameters
    ----------
    digest : str
        Of what is trained: another configuration, table or model never goes on from here.
    weights, best : dict
        The adapter now, and after its best epoch.
    optimiser : dict
        State of the optimiser.
    steps : tuple of StepRecord
        All steps so far.
    epochs : tuple of EpochRecord
        All epochs that are over.
    batch : int
        Images at a time: what did not fit into memory once is not tried again.
    """

    digest: str
    weights: dict[str, Tensor]
    best: dict[str, Tensor]
    optimiser: dict[str, Any]
    steps: tuple[StepRecord, ...]
    epochs: tuple[EpochRecord, ...]
    batch: int


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write it whole or not at all."""
    records = {
        "steps": [record.row() for record in checkpoint.steps],
        "epochs": [asdict(record) for record in checkpoint.epochs],
    }
    write_state(folder, {**vars(checkpoint), **records})


def read_checkpoint(folder: Path, digest: str) -> Checkpoint | None:
    """What a fine-tuning of the same thing has left; None where there is nothing, or it is damaged."""
    content = read_state(folder, digest)
    if content is None:
        return None
    try:
        steps = tuple(StepRecord(**row) for row in content.pop("steps"))
        epochs = tuple(EpochRecord(**row) for row in content.pop("epochs"))
        return Checkpoint(digest, **content, steps=steps, epochs=epochs)
    except (KeyError, TypeError):
        return None
