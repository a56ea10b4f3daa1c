"""The steps of the fine-tuning: what an answer costs, and how the adapter learns from it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.describing.answers import IGNORED
from napari_mmlnb.training.describing.frozen_images import stock_model
from napari_mmlnb.training.describing.lessons import Batch, Lessons
from napari_mmlnb.training.describing.memory import attempt, halved, in_batches

Rows = npt.NDArray[np.int64]

LARGEST_GRADIENT = 1.0
"""Norm that a step's gradient is cut to; our design."""


@dataclass(frozen=True)
class StepRecord:
    """One step of the optimiser.

    Parameters
    ----------
    step, epoch : int
        From 1.
    loss : float
        Mean over the answers' tokens.
    tokens : int
        How many those are.
    learning_rate : float
        Of this step.
    batch : int
        Images at a time.
    """

    step: int
    epoch: int
    loss: float
    tokens: int
    learning_rate: float
    batch: int

    def row(self) -> dict[str, Any]:
        """For a table."""
        return asdict(self)


@dataclass(frozen=True)
class TokenLosses:
    """What the true answers cost, a case each.

    Parameters
    ----------
    loss : ndarray
        (n,) sums over an answer's tokens.
    tokens : ndarray
        (n,) how many those are.
    """

    loss: npt.NDArray[np.float64]
    tokens: npt.NDArray[np.int64]

    @property
    def mean(self) -> float:
        """Over all tokens."""
        return float(self.loss.sum() / self.tokens.sum())


def learning_rate(step: int, steps: int, highest: float, warm_up: float = 0.0) -> float:
    """The rate of a step, counted from 0: rises linearly over the share `warm_up`, then falls to nothing at `steps`."""
    rising = round(warm_up * steps)
    if step < rising:
        return highest * (step + 1) / (rising + 1)
    return highest * (steps - step) / (steps - rising)


def order(rows: Rows, seed: int, epoch: int) -> Rows:
    """In which an epoch takes its cases; of the epoch alone, so that a training that goes on finds its place."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


def answer_losses(model: Any, batch: Batch) -> Tensor:
    """Cross-entropy of each answer, summed over its tokens, (B,) float32.

    Only the logits that are learned from are computed: a vocabulary of 150 000 makes the others dear.
    """
    device = next(model.parameters()).device
    inputs, labels = _on(device, batch[0]), batch[1].to(device)
    start = int((labels != IGNORED).any(dim=0).nonzero()[0])
    if "logits_to_keep" in inspect.signature(stock_model(model).forward).parameters:
        logits = model(**inputs, logits_to_keep=labels.shape[1] - start + 1).logits
    else:
        logits = model(**inputs).logits[:, start - 1 :]
    said = logits[:, :-1].float().transpose(1, 2)
    return functional.cross_entropy(said, labels[:, start:], ignore_index=IGNORED, reduction="none").sum(dim=1)


class Steps:
    """Learns a step at a time; where a batch does not fit into memory, in halves of it from then on.

    Parameters
    ----------
    model : Module
        With its adapter, in training mode.
    optimiser : Optimizer
        Of the adapter.
    lessons : Lessons
        The cases.
    batch : int
        Images at a time, to begin with.
    """

    def __init__(self, model: Any, optimiser: torch.optim.Optimizer, lessons: Lessons, batch: int) -> None:
        self.batch = batch
        self._model = model
        self._optimiser = optimiser
        self._lessons = lessons

    def learn(self, rows: Sequence[int], rate: float, seed: int) -> tuple[float, int]:
        """One step from these cases: mean loss over their answers' tokens, and how many those are.

        Raises
        ------
        RequestError
            If not even one image fits into memory, or the loss is not finite.
        """
        while True:
            answer = attempt(lambda: self._learn(rows, rate, seed))
            if answer is not None:
                return answer
            self._optimiser.zero_grad(set_to_none=True)
            self.batch = halved(min(self.batch, len(rows)))

    def _learn(self, rows: Sequence[int], rate: float, seed: int) -> tuple[float, int]:
        batches = [self._lessons.batch(rows[at : at + self.batch]) for at in range(0, len(rows), self.batch)]
        tokens = sum(int((labels != IGNORED).sum()) for _, labels in batches)
        torch.manual_seed(seed)
        total = 0.0
        for batch in batches:
            loss = answer_losses(self._model, batch).sum()
            (loss / tokens).backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        if not np.isfinite(total):
            raise RequestError("The loss is not finite any more.", "Make learning_rate smaller.")
        learning = [weight for group in self._optimiser.param_groups for weight in group["params"]]
        torch.nn.utils.clip_grad_norm_(learning, LARGEST_GRADIENT)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        return total / tokens, tokens


def measure_answers(model: Any, lessons: Lessons, rows: Rows, batch: int) -> TokenLosses:
    """What the true answers of these cases cost a model, in eval mode."""
    model.eval()

    def measure(part: Sequence[int]) -> list[tuple[float, int]]:
        given = lessons.batch(part)
        with torch.no_grad():
            losses = answer_losses(model, given).tolist()
        return list(zip(losses, (given[1] != IGNORED).sum(dim=1).tolist(), strict=True))

    measured = in_batches(rows.tolist(), batch, measure)
    return TokenLosses(np.array([loss for loss, _ in measured]), np.array([tokens for _, tokens in measured]))


def _on(device: torch.device, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.to(device) if isinstance(value, Tensor) else value for name, value in inputs.items()}
