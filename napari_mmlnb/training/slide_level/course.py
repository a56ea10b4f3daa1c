"""The epochs of a training at slide level, from wherever they were stopped, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from napari_mmlnb.models.mmlnb import Mmlnb
from napari_mmlnb.training.board import Board
from napari_mmlnb.training.curriculum import IMAGE_FIRST, Phase, epochs, gate_last
from napari_mmlnb.training.scores import score
from napari_mmlnb.training.slide_level.bags import SlideBag
from napari_mmlnb.training.slide_level.calibrate import SlideLogits, logits_of
from napari_mmlnb.training.slide_level.checkpoint import Checkpoint, EpochRecord, read_checkpoint, write_checkpoint
from napari_mmlnb.training.slide_level.config import TrainConfig
from napari_mmlnb.training.slide_level.loop import answer_bag, attention_in, attention_of, train_epoch

EPOCHS_BETWEEN_TEXTS = 5
_EPOCHS_A_LINE = 10

# Given the attention over every bag, the token ids of every slide's text, (slides, T).
TextOf = Callable[[list[npt.NDArray[np.float32]]], Tensor]


@dataclass(frozen=True)
class Told:
    """Slides, and how their texts follow from the attention over them.

    Parameters
    ----------
    bags : tuple of SlideBag
        The slides.
    text_of : callable
        Asked every few epochs, since the text follows attention.
    """

    bags: tuple[SlideBag, ...]
    text_of: TextOf

    def ids(self, model: Mmlnb) -> Tensor:
        """Token ids (slides, T) of the texts that the network's attention chooses now."""
        return self.text_of(attention_of(model, self.bags))


@dataclass(frozen=True)
class Learned:
    """What a course came to.

    Parameters
    ----------
    records : tuple of EpochRecord
        All epochs.
    kept : int
        The one that the network holds, from 1.
    """

    records: tuple[EpochRecord, ...]
    kept: int


class Course:
    """All epochs of one training.

    Which epoch is kept is our design, after MMLNB: the one with the best weighted F1 on the selection slides, the
    lower loss among equals, but none of the first phase, whose text branch has not learned. Without selection slides
    it is the last.

    Parameters
    ----------
    config : TrainConfig
        How it learns.
    model : Mmlnb
        With feature statistics set, where it is to compute.
    train, selection : Told
        The slides that are learned from, and those that choose; the latter may be none.
    folder : Path
        Of the checkpoint and TensorBoard.
    digest : str
        Of what is trained.
    log : callable
        Told a line every ten epochs.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: Mmlnb,
        train: Told,
        selection: Told,
        folder: Path,
        digest: str,
        log: Callable[[str], None],
    ) -> None:
        self.config, self.model, self.train, self.selection = config, model, train, selection
        self.folder, self.digest, self.log = folder, digest, log
        how = config.optimiser
        self.optimiser = torch.optim.AdamW(model.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay)
        self.records: list[EpochRecord] = []
        self.best = self._weights()

    def run(self) -> Learned:
        """Learn to the end; the network then holds the kept epoch's weights, in evaluation mode."""
        self._go_on()
        ids = self.train.ids(self.model)
        with Board(self.folder, len(self.records)) as board:
            last = self.config.curriculum.gate == "last"
            for epoch, published in epochs(self.config.curriculum):
                phase = gate_last(published) if last else published
                if epoch < len(self.records):
                    continue
                if self._is_over():
                    self.log(f"no better F1 for {self.config.patience} epochs: ends here")
                    break
                if epoch and epoch % EPOCHS_BETWEEN_TEXTS == 0:
                    ids = self.train.ids(self.model)
                self._epoch(epoch, phase, ids)
                board.add(epoch + 1, self.records[-1].scalars())
        kept = self._kept().epoch
        self.model.load_state_dict(self.best)
        self.model.eval()
        if self.selection.bags:
            self.log(f"kept: epoch {kept}, the best on the selection slides")
        return Learned(tuple(self.records), kept)

    def _go_on(self) -> None:
        kept = read_checkpoint(self.folder, self.digest)
        if kept is None:
            return
        self.model.load_state_dict(kept.model)
        self.optimiser.load_state_dict(kept.optimiser)
        self.records, self.best = list(kept.records), kept.best
        self.log(f"going on after epoch {len(self.records)}")

    def _epoch(self, epoch: int, phase: Phase, ids: Tensor) -> None:
        how, seed = self.config.optimiser, self.config.seed
        # Of the epoch alone, so that a course that goes on draws what it would have drawn, on any device.
        torch.manual_seed(seed * 100_003 + epoch)
        order = np.random.default_rng([seed, epoch])
        loss, accuracy = train_epoch(self.model, self.optimiser, self.train.bags, ids, phase, how, order)
        self.records.append(self._record(epoch, phase, loss, accuracy))
        if self._kept() is self.records[-1]:
            self.best = self._weights()
        if (epoch + 1) % _EPOCHS_A_LINE == 0:
            self.log(self.records[-1].line())
        # Where the texts are made anew: so they need no place in the checkpoint.
        if (epoch + 1) % EPOCHS_BETWEEN_TEXTS == 0 and (epoch + 1) % self._between() == 0:
            self._write()

    def _between(self) -> int:
        return -(-self.config.checkpoint_epochs // EPOCHS_BETWEEN_TEXTS) * EPOCHS_BETWEEN_TEXTS

    def _record(self, epoch: int, phase: Phase, loss: float, accuracy: float) -> EpochRecord:
        said = self._select()
        nan = float("nan")
        f1 = {branch: score(said.labels, said.probabilities(branch)).f1 for branch in said.by_branch} if said else {}
        return EpochRecord(
            epoch=epoch + 1,
            phase=phase.name,
            alpha=phase.alpha,
            image_learns=phase.image_learns,
            text_learns=phase.text_learns,
            loss=loss,
            accuracy=accuracy,
            selection_f1=f1.get("fused", nan),
            selection_f1_image=f1.get("image", nan),
            selection_f1_text=f1.get("text", nan),
            selection_loss=_cross_entropy(said) if said else nan,
            gate=float(said.gate.mean()) if said else nan,
        )

    def _select(self) -> SlideLogits | None:
        """What the network says of the selection slides now."""
        if not self.selection.bags:
            return None
        bags = self.selection.bags
        answers = [answer_bag(self.model, bag) for bag in bags]
        ids = self.selection.text_of([attention_in(answer) for answer in answers])
        return logits_of(self.model, answers, bags, ids)

    def _kept(self) -> EpochRecord:
        if not self.selection.bags:
            return self.records[-1]
        able = [record for record in self.records if record.phase != IMAGE_FIRST] or self.records
        return max(able, key=_merit)

    def _is_over(self) -> bool:
        """Whether the last phase has gone on for long enough without a better F1; the loss may fall for ever."""
        patience = self.config.patience
        if patience is None or not self.selection.bags or not self.records or self.records[-1].alpha < 1:
            return False
        last = [record.selection_f1 for record in self.records if record.phase == self.records[-1].phase]
        return len(last) > patience and max(last[-patience:]) <= max(last[:-patience])

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}

    def _write(self) -> None:
        now = Checkpoint(
            digest=self.digest,
            model=self._weights(),
            best=self.best,
            optimiser=self.optimiser.state_dict(),
            records=tuple(self.records),
        )
        write_checkpoint(self.folder, now)


def _merit(record: EpochRecord) -> tuple[float, float]:
    return record.selection_f1, -record.selection_loss


def _cross_entropy(said: SlideLogits) -> float:
    return float(functional.cross_entropy(torch.from_numpy(said.by_branch["fused"]), torch.from_numpy(said.labels)))
