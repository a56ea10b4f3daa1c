"""TensorBoard's scalars of a training, where TensorBoard is installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np


class Board:
    """Writes into ``folder/tensorboard``.

    Parameters
    ----------
    folder : Path
        Of the run.
    done : int
        Steps that are over; what an earlier run has written of later ones is dropped.
    """

    def __init__(self, folder: Path, done: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - the extra `train`
        except ImportError:
            self._writer = None
        else:
            self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=done + 1)

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Put values of a step on the board; those that are not finite are left out."""
        if self._writer is None:
            return
        for name, value in values.items():
            if np.isfinite(value):
                self._writer.add_scalar(name, value, step)
