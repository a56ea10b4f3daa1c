"""The epochs: bags in, a trained network out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_mmlnb.models.mmlnb import Mmlnb
from napari_mmlnb.training.bags import SlideBag
from napari_mmlnb.training.config import CurriculumConfig, OptimiserConfig
from napari_mmlnb.training.curriculum import Phase, epochs

EPOCHS_BETWEEN_TEXTS = 5

# Given the attention over every bag, the token ids of every slide's text, (slides, T).
TextOf = Callable[[list[npt.NDArray[np.float32]]], Tensor]


def _batches(
    bags: tuple[SlideBag, ...], config: OptimiserConfig, rng: np.random.Generator
) -> Iterator[tuple[npt.NDArray[np.int64], Tensor, Tensor, Tensor]]:
    """Shuffled batches: slide numbers, padded bags (B, N, F), masks (B, N), labels (B,); tiles are drawn at random."""
    order = rng.permutation(len(bags))
    for start in range(0, len(order), config.batch):
        chosen = order[start : start + config.batch]
        picked = []
        for i in chosen:
            n = len(bags[i].features)
            picked.append(bags[i].features[rng.permutation(n)[: config.tiles_per_bag]])
        longest = max(map(len, picked))
        padded = np.zeros((len(picked), longest, picked[0].shape[1]), dtype=np.float32)
        mask = np.zeros((len(picked), longest), dtype=bool)
        for row, features in enumerate(picked):
            padded[row, : len(features)] = features
            mask[row, : len(features)] = True
        labels = torch.tensor([bags[i].slide.label for i in chosen])
        yield chosen, torch.from_numpy(padded), torch.from_numpy(mask), labels


def set_feature_statistics(model: Mmlnb, bags: tuple[SlideBag, ...]) -> None:
    """Let the network standardise features by the training tiles."""
    tiles = np.concatenate([bag.features for bag in bags])
    model.feature_mean.copy_(torch.from_numpy(tiles.mean(axis=0)))
    model.feature_scale.copy_(torch.from_numpy(1 / np.maximum(tiles.std(axis=0), 1e-6)))


def attention_of(model: Mmlnb, bags: tuple[SlideBag, ...]) -> list[npt.NDArray[np.float32]]:
    """Attention over every bag, in units of its mean, in evaluation mode."""
    model.eval()
    weights = []
    with torch.inference_mode():
        for bag in bags:
            features = torch.from_numpy(bag.features)[None]
            pooled = model.answer_image(features, torch.ones(features.shape[:2], dtype=torch.bool)).pooled
            weights.append((pooled.attention[0] * features.shape[1]).numpy())
    return weights


def warm_up(model: Mmlnb, bags: tuple[SlideBag, ...], config: OptimiserConfig, epochs_: int, seed: int) -> None:
    """Train the image branch alone, to find candidates worth describing."""
    rng = np.random.default_rng(seed)
    image_part = [*model.pooling.parameters(), *model.image_head.parameters()]
    optimiser = torch.optim.AdamW(image_part, lr=config.learning_rate, weight_decay=config.weight_decay)
    model.train()
    for _ in range(epochs_):
        for _, bag, mask, labels in _batches(bags, config, rng):
            logits = model.answer_image(bag, mask).logits
            _step(optimiser, functional.cross_entropy(logits, labels, label_smoothing=config.label_smoothing))


def train_mmlnb(
    model: Mmlnb,
    bags: tuple[SlideBag, ...],
    text_of: TextOf,
    optimiser_config: OptimiserConfig,
    curriculum: CurriculumConfig,
    seed: int,
    log: Callable[[str], None],
) -> None:
    """Train the whole system by the curriculum.

    Parameters
    ----------
    model : Mmlnb
        With feature statistics set.
    bags : tuple of SlideBag
        Training slides.
    text_of : callable
        Asked every few epochs, since the text follows attention.
    optimiser_config, curriculum, seed
        From the configuration.
    log : callable
        Told once every ten epochs.
    """
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=optimiser_config.learning_rate, weight_decay=optimiser_config.weight_decay
    )
    ids = text_of(attention_of(model, bags))
    for epoch, phase in epochs(curriculum):
        if epoch and epoch % EPOCHS_BETWEEN_TEXTS == 0:
            ids = text_of(attention_of(model, bags))
        _set_learning(model, phase)
        losses, hits = [], 0
        for chosen, bag, mask, labels in _batches(bags, optimiser_config, rng):
            image = model.answer_image(bag, mask)
            fused = model.answer_fused(image, ids[chosen])
            loss = phase.alpha * _loss(fused.fused_logits, labels, optimiser_config)
            loss = loss + (1 - phase.alpha) * _loss(image.logits, labels, optimiser_config)
            # Our design, after MMLNB: a loss of the text's own. The image branch soon leaves the fused loss nothing to
            # teach, and a text branch trained from nothing would stay at chance.
            loss = loss + _loss(fused.text_logits, labels, optimiser_config)
            _step(optimiser, loss)
            losses.append(loss.item())
            hits += int((fused.fused_logits.argmax(dim=1) == labels).sum())
        if epoch % 10 == 9:
            log(
                f"epoch {epoch + 1:3d} {phase.name:11s} alpha {phase.alpha:.2f} "
                f"loss {np.mean(losses):.3f} training accuracy {hits / len(bags):.3f}"
            )
    model.eval()


def _loss(logits: Tensor, labels: Tensor, config: OptimiserConfig) -> Tensor:
    return functional.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)


def _set_learning(model: Mmlnb, phase: Phase) -> None:
    """Freeze and thaw by the phase's rule; frozen parts evaluate (the released code leaves their dropout on)."""
    model.train()
    parts: tuple[tuple[nn.Module, bool], ...] = (
        (model.text, phase.text_learns),
        (model.pooling, phase.image_learns),
        (model.image_head, phase.image_learns),
    )
    for part, learns in parts:
        part.train(learns).requires_grad_(learns)


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
