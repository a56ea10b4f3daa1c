"""What one epoch does at slide level: which bags, what learns, what it costs, and what is said of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_mmlnb.models.mmlnb import Mmlnb
from napari_mmlnb.models.pooling.base import BagAnswer
from napari_mmlnb.training.curriculum import Phase
from napari_mmlnb.training.slide_level.bags import SlideBag
from napari_mmlnb.training.slide_level.config import OptimiserConfig


@dataclass(frozen=True)
class _Batch:
    """Slide numbers (B,), padded bags (B, N, F), masks (B, N), labels (B,)."""

    chosen: npt.NDArray[np.int64]
    bag: Tensor
    mask: Tensor
    labels: Tensor

    def on(self, device: torch.device) -> tuple[npt.NDArray[np.int64], Tensor, Tensor, Tensor]:
        """The tensors on a device."""
        return self.chosen, self.bag.to(device), self.mask.to(device), self.labels.to(device)


def _batches(bags: tuple[SlideBag, ...], config: OptimiserConfig, rng: np.random.Generator) -> Iterator[_Batch]:
    """Batches in a random order; tiles are drawn at random."""
    order = rng.permutation(len(bags))
    for start in range(0, len(order), config.batch):
        chosen = order[start : start + config.batch]
        picked = []
        for i in chosen:
            n = len(bags[i].cells)
            picked.append(bags[i].features[rng.permutation(n)[: config.tiles_per_bag]])
        longest = max(map(len, picked))
        padded = np.zeros((len(picked), longest, picked[0].shape[1]), dtype=np.float32)
        mask = np.zeros((len(picked), longest), dtype=bool)
        for row, features in enumerate(picked):
            padded[row, : len(features)] = features
            mask[row, : len(features)] = True
        labels = torch.tensor([bags[i].slide.label for i in chosen])
        yield _Batch(chosen, torch.from_numpy(padded), torch.from_numpy(mask), labels)


def set_feature_statistics(model: Mmlnb, bags: tuple[SlideBag, ...]) -> None:
    """Let the network standardise features by the training tiles."""
    # Piece by piece, twice: all of them need not fit into memory.
    count = sum(len(bag.cells) for bag in bags)
    mean = np.sum([piece.sum(axis=0, dtype=np.float64) for bag in bags for piece in bag.pieces()], axis=0) / count
    squares = np.sum([((piece - mean) ** 2).sum(axis=0) for bag in bags for piece in bag.pieces()], axis=0)
    model.feature_mean.copy_(torch.from_numpy(mean))
    model.feature_scale.copy_(torch.from_numpy(1 / np.maximum(np.sqrt(squares / count), 1e-6)))


def attention_of(model: Mmlnb, bags: tuple[SlideBag, ...]) -> list[npt.NDArray[np.float32]]:
    """Attention over every bag, in units of its mean, in evaluation mode."""
    return [attention_in(answer_bag(model, bag)) for bag in bags]


def attention_in(answer: BagAnswer) -> npt.NDArray[np.float32]:
    """Attention (n,) over a bag, in units of its mean."""
    attention: npt.NDArray[np.float32] = (answer.attention[0] * answer.attention.shape[1]).cpu().numpy()
    return attention


def answer_bag(model: Mmlnb, bag: SlideBag) -> BagAnswer:
    """What the image branch says of one slide as a whole, in evaluation mode, where the network is."""
    model.eval()
    device = model.feature_mean.device
    pieces = (torch.from_numpy(piece).to(device) for piece in bag.pieces())
    return model.answer_rated(model.rate_in_chunks(pieces, keep_instances=False))


def warm_up(model: Mmlnb, bags: tuple[SlideBag, ...], config: OptimiserConfig, epochs_: int, seed: int) -> None:
    """Train the image branch alone, to find candidates worth describing."""
    rng = np.random.default_rng(seed)
    image_part = [*model.pooling.parameters(), *model.image_head.parameters()]
    optimiser = torch.optim.AdamW(image_part, lr=config.learning_rate, weight_decay=config.weight_decay)
    model.train()
    device = model.feature_mean.device
    for _ in range(epochs_):
        for batch in _batches(bags, config, rng):
            _, bag, mask, labels = batch.on(device)
            logits = model.answer_image(bag, mask).logits
            _step(optimiser, functional.cross_entropy(logits, labels, label_smoothing=config.label_smoothing))


def train_epoch(
    model: Mmlnb,
    optimiser: torch.optim.Optimizer,
    bags: tuple[SlideBag, ...],
    ids: Tensor,
    phase: Phase,
    config: OptimiserConfig,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Train one epoch under a phase's rule: mean loss, and the share of right answers while it learned.

    Parameters
    ----------
    model : Mmlnb
        With feature statistics set.
    optimiser : Optimizer
        Of all its parameters.
    bags : tuple of SlideBag
        Training slides.
    ids : Tensor
        (slides, T) token ids of their texts.
    phase : Phase
        Of the curriculum.
    config : OptimiserConfig
        Batches, and how labels are smoothed.
    rng : Generator
        Of the order and the tiles.
    """
    _set_learning(model, phase)
    device = model.feature_mean.device
    losses, hits = [], 0
    for batch in _batches(bags, config, rng):
        chosen, bag, mask, labels = batch.on(device)
        image = model.answer_image(bag, mask)
        fused = model.answer_fused(image, ids[chosen].to(device))
        loss = phase.alpha * _loss(fused.fused_logits, labels, config)
        loss = loss + (1 - phase.alpha) * _loss(image.logits, labels, config)
        # Our design, after MMLNB: a loss of the text's own. The image branch soon leaves the fused loss nothing to
        # teach, and a text branch trained from nothing would stay at chance.
        loss = loss + _loss(fused.text_logits, labels, config)
        _step(optimiser, loss)
        losses.append(loss.item())
        hits += int((fused.fused_logits.argmax(dim=1) == labels).sum())
    return float(np.mean(losses)), hits / len(bags)


def _loss(logits: Tensor, labels: Tensor, config: OptimiserConfig) -> Tensor:
    return functional.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)


def _set_learning(model: Mmlnb, phase: Phase) -> None:
    """Freeze and thaw by the phase's rule; frozen parts evaluate (the released code leaves their dropout on)."""
    model.train()
    parts: tuple[tuple[nn.Module, bool], ...] = (
        (model.text, phase.text_learns),
        (model.pooling, phase.image_learns),
        (model.image_head, phase.image_learns),
        (model.fusion.confidence, phase.gate_learns),
    )
    for part, learns in parts:
        part.train(learns).requires_grad_(learns)


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
