"""Where a training stands, on the disk: one that is stopped goes on there, to the same end."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_mmlnb.training.image_level.loop import EpochRecord

CHECKPOINT_FILE = "checkpoint.pt"


@dataclass(frozen=True)
class Checkpoint:
    """After an epoch.

    Parameters
    ----------
    digest : str
        Of what is trained: another configuration, table or network never goes on from here.
    model, best : dict
        State of the network now, and of its best epoch.
    optimiser : dict
        State of the optimiser.
    records : tuple of EpochRecord
        All epochs so far.
    over : bool
        Whether that was the last one: then `model` and `optimiser` are empty, for nobody goes on with them.
    """

    digest: str
    model: dict[str, Tensor]
    best: dict[str, Tensor]
    optimiser: dict[str, Any]
    records: tuple[EpochRecord, ...]
    over: bool = False


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write it whole or not at all."""
    fresh = folder / f"{CHECKPOINT_FILE}.new"
    content = {**vars(checkpoint), "records": [record.row() for record in checkpoint.records]}
    torch.save(content, fresh)
    fresh.replace(folder / CHECKPOINT_FILE)


def read_checkpoint(folder: Path, digest: str) -> Checkpoint | None:
    """What a training of the same thing has left; None where there is nothing, or it is damaged."""
    try:
        content = torch.load(folder / CHECKPOINT_FILE, map_location="cpu", weights_only=True)
        records = tuple(EpochRecord(**row) for row in content.pop("records"))
        kept = Checkpoint(**content, records=records)
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError):
        return None
    return kept if kept.digest == digest else None
