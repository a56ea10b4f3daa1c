"""Where a fine-tuning stands, on the disk: one that is stopped goes on there, to the same end."""

from __future__ import annotations

import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_mmlnb.training.describing.loop import StepRecord

CHECKPOINT_FILE = "checkpoint.pt"


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
    fresh = folder / f"{CHECKPOINT_FILE}.new"
    records = {
        "steps": [record.row() for record in checkpoint.steps],
        "epochs": [asdict(record) for record in checkpoint.epochs],
    }
    torch.save({**vars(checkpoint), **records}, fresh)
    fresh.replace(folder / CHECKPOINT_FILE)


def read_checkpoint(folder: Path, digest: str) -> Checkpoint | None:
    """What a fine-tuning of the same thing has left; None where there is nothing, or it is damaged."""
    try:
        content = torch.load(folder / CHECKPOINT_FILE, map_location="cpu", weights_only=True)
        steps = tuple(StepRecord(**row) for row in content.pop("steps"))
        epochs = tuple(EpochRecord(**row) for row in content.pop("epochs"))
        kept = Checkpoint(**content, steps=steps, epochs=epochs)
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError):
        return None
    return kept if kept.digest == digest else None
