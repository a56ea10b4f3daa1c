"""Where a training stands, on the disk: one that is stopped goes on there, to the same end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from napari_mmlnb.training.image_level.loop import EpochRecord
from napari_mmlnb.training.state_file import read_state, write_state


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
