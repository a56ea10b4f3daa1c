"""The epochs of a fine-tuning, from wherever they were stopped, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_mmlnb.training.board import Board
from napari_mmlnb.training.describing.adapter import learning_weights, set_weights, teach
from napari_mmlnb.training.describing.checkpoint import Checkpoint, EpochRecord, read_checkpoint, write_checkpoint
from napari_mmlnb.training.describing.config import DescribingConfig
from napari_mmlnb.training.describing.lessons import Lessons
from napari_mmlnb.training.describing.loop import StepRecord, Steps, learning_rate, measure_answers, order
from napari_mmlnb.training.splits import Split

Log = Callable[[str], None]
_STEPS_A_LINE = 10


@dataclass(frozen=True)
class Learned:
    """What a course came to.

    Parameters
    ----------
    steps : tuple of StepRecord
        All of them.
    epochs : tuple of EpochRecord
        All of them.
    kept : int
        The epoch whose adapter the model holds, from 1.
    """

    steps: tuple[StepRecord, ...]
    epochs: tuple[EpochRecord, ...]
    kept: int


class Course:
    """All epochs of one fine-tuning.

    Parameters
    ----------
    config : DescribingConfig
        How it learns.
    model : Module
        With its adapter.
    lessons : Lessons
        The cases.
    split : Split
        Which of them are learned from, and which choose.
    folder : Path
        Of the checkpoint and the board.
    digest : str
        Of what is trained.
    log : callable
        Told a line at a time.
    """

    def __init__(
        self,
        config: DescribingConfig,
        model: Any,
        lessons: Lessons,
        split: Split,
        folder: Path,
        digest: str,
        log: Log,
    ) -> None:
        self.config, self.model, self.lessons, self.split = config, model, lessons, split
        self.folder, self.digest, self.log = folder, digest, log
        self.optimiser = torch.optim.AdamW(
            learning_weights(model).values(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.steps = Steps(model, self.optimiser, lessons, config.batch)
        self.records: list[StepRecord] = []
        self.epochs: list[EpochRecord] = []
        self.best = self._adapter()
        self.images = config.batch * config.accumulation
        self.in_epoch = -(-len(split.train) // self.images)

    def run(self) -> Learned:
        """Learn to the end; the model then holds the kept epoch's adapter."""
        self._go_on()
        with Board(self.folder, len(self.records)) as board:
            for epoch in range(len(self.epochs), self.config.epochs):
                self._epoch(epoch, board)
        by_loss = self.config.choice == "best"
        kept = min(self.epochs, key=_by_selection) if by_loss else self.epochs[-1]
        if by_loss:
            set_weights(self.model, self.best)
        why = "the lowest loss on the part selection" if by_loss else "the last one"
        self.log(f"kept: epoch {kept.epoch}, {why}")
        return Learned(tuple(self.records), tuple(self.epochs), kept.epoch)

    def _go_on(self) -> None:
        kept = read_checkpoint(self.folder, self.digest)
        if kept is None:
            return
        set_weights(self.model, kept.weights)
        self.optimiser.load_state_dict(kept.optimiser)
        self.records, self.epochs, self.best = list(kept.steps), list(kept.epochs), kept.best
        self.steps.batch = kept.batch
        self.log(f"going on after step {len(self.records)}")

    def _epoch(self, epoch: int, board: Board) -> None:
        turn = order(self.split.train, self.config.seed, epoch)
        teach(self.model)
        for number in range(len(self.records) - epoch * self.in_epoch, self.in_epoch):
            self._step(epoch, turn[number * self.images : (number + 1) * self.images].tolist())
            board.add(
                len(self.records), {"loss": self.records[-1].loss, "learning_rate": self.records[-1].learning_rate}
            )
            if len(self.records) % self.config.checkpoint_steps == 0:
                self._keep()
        self.epochs.append(self._over(epoch))
        board.add(len(self.records), {"selection_loss": self.epochs[-1].selection_loss})
        if self.epochs[-1] is min(self.epochs, key=_by_selection):
            self.best = self._adapter()
        self._keep()

    def _step(self, epoch: int, rows: Sequence[int]) -> None:
        config, step, total = self.config, len(self.records), self.in_epoch * self.config.epochs
        rate, batch = learning_rate(step, total, config.learning_rate, config.warm_up), self.steps.batch
        # Seeded by the step alone, so that a course that goes on drops out what it would have dropped.
        loss, tokens = self.steps.learn(rows, rate, config.seed * 100_003 + step)
        if self.steps.batch < batch:
            self.log(f"memory is used up: {self.steps.batch} images at a time from here, so many more times a step")
        self.records.append(StepRecord(step + 1, epoch + 1, loss, tokens, rate, self.steps.batch))
        if (step + 1) % _STEPS_A_LINE == 0:
            self.log(f"epoch {epoch + 1}, step {step + 1} of {total}: loss {loss:.4f}")

    def _over(self, epoch: int) -> EpochRecord:
        mine = [one for one in self.records if one.epoch == epoch + 1]
        loss = sum(one.loss * one.tokens for one in mine) / sum(one.tokens for one in mine)
        selection = measure_answers(self.model, self.lessons, self.split.selection, self.steps.batch).mean
        self.log(f"epoch {epoch + 1} of {self.config.epochs}: loss {loss:.4f}, on the part selection {selection:.4f}")
        return EpochRecord(epoch + 1, loss, selection)

    def _adapter(self) -> dict[str, Tensor]:
        return {name: weight.detach().cpu().clone() for name, weight in learning_weights(self.model).items()}

    def _keep(self) -> None:
        """A checkpoint of where the course stands."""
        state = self.optimiser.state_dict()
        records, epochs = tuple(self.records), tuple(self.epochs)
        now = Checkpoint(self.digest, self._adapter(), self.best, state, records, epochs, self.steps.batch)
        write_checkpoint(self.folder, now)


def _by_selection(record: EpochRecord) -> float:
    return record.selection_loss
