"""TensorBoard's scalars of a fine-tuning, where TensorBoard is installed."""

from __future__ import annotations

from pathlib import Path

from napari_mmlnb.training.describing.checkpoint import EpochRecord
from napari_mmlnb.training.describing.loop import StepRecord


class Board:
    """Writes into ``folder/tensorboard``; steps after `done` that an earlier run has written are dropped."""

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

    def step(self, record: StepRecord) -> None:
        """Loss and learning rate of a step."""
        if self._writer is not None:
            self._writer.add_scalar("loss", record.loss, record.step)
            self._writer.add_scalar("learning_rate", record.learning_rate, record.step)

    def epoch(self, record: EpochRecord, step: int) -> None:
        """Loss on the part that chooses, after so many steps."""
        if self._writer is not None:
            self._writer.add_scalar("selection_loss", record.selection_loss, step)
