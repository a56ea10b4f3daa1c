"""The words of the small describing model: its language model, taught on what the frozen tower sees."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from napari_mmlnb.training.small_vlm.augment import restained, turned
from napari_mmlnb.training.small_vlm.config import LanguageConfig
from napari_mmlnb.training.small_vlm.model import END, IMAGE
from napari_mmlnb.training.small_vlm.tiles import SQUARES, TileSet
from napari_mmlnb.training.small_vlm.tower import GroundedTower, as_pixels

_IGNORED = -100
_ENCODED_AT_ONCE = 64


@dataclass(frozen=True)
class Subject:
    """What is asked and answered of tiles.

    Parameters
    ----------
    prompt : str
        What is asked.
    answers : sequence of str
        One a tile.
    """

    prompt: str
    answers: Sequence[str]


def views_of(tower: GroundedTower, tiles: TileSet, count: int, seed: int, log: Callable[[str], None]) -> Tensor:
    """Tokens of each tile under so many stains and turns: (count, n, 49, hidden) float16."""
    random = np.random.default_rng(seed)
    tower.eval()
    views = []
    for view in range(count):
        parts = []
        for first in range(0, len(tiles), _ENCODED_AT_ONCE):
            stained = [
                turned(restained(one, random), int(random.integers(8)))
                for one in tiles.pixels[first : first + _ENCODED_AT_ONCE]
            ]
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                parts.append(tower.tokens(as_pixels(np.stack(stained))).half())
        views.append(torch.cat(parts))
        log(f"tower: {len(tiles)} tiles seen, view {view + 1} of {count}")
    return torch.stack(views)


def teach_language(
    model: Any,
    processor: Any,
    views: Tensor,
    subjects: Sequence[Subject],
    config: LanguageConfig,
    seed: int,
    log: Callable[[str], None],
) -> None:
    """Train the language model, in place, to answer each subject of each tile; tower and projector stay as they are.

    Parameters
    ----------
    model, processor
        Of transformers.
    views : Tensor
        (V, n, 49, hidden), what the tower saw.
    subjects : sequence of Subject
        Drawn with equal chances.
    config : LanguageConfig
        How long, how fast.
    seed : int
        Of the draws.
    log : callable
        Told a line at a time.
    """
    random = np.random.default_rng(seed)
    model.train()
    model.model.vision_tower.eval()
    learning = [*model.model.language_model.parameters(), *model.lm_head.parameters()]
    steps = max(1, round(config.epochs * views.shape[1] / config.batch))
    optimiser = torch.optim.AdamW(learning, lr=config.learning_rate, weight_decay=0.02)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=steps, pct_start=0.1)
    began, losses = time.monotonic(), []
    for step in range(1, steps + 1):
        rows = random.integers(views.shape[1], size=config.batch)
        asked = [subjects[i] for i in random.integers(len(subjects), size=config.batch)]
        inputs, labels = exchanges(
            processor, [(one.prompt, one.answers[row]) for one, row in zip(asked, rows, strict=True)]
        )
        seen = views[torch.from_numpy(random.integers(len(views), size=config.batch)), torch.from_numpy(rows)]
        loss = answer_loss(model, inputs, labels, seen.float())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        pace.step()
        losses.append(loss.item())
        if step % 50 == 0 or step == steps:
            rate = step * config.batch / (time.monotonic() - began)
            log(f"language: step {step} of {steps}, loss {np.mean(losses[-50:]):.3f}, {rate:.0f} captions/s")
    model.eval()


def answer_loss(model: Any, inputs: dict[str, Tensor], labels: Tensor, tokens: Tensor) -> Tensor:
    """Cross entropy of the answers' tokens, (B, T) labels, given (B, 49, hidden) image tokens."""
    with torch.autocast("cpu", torch.bfloat16):
        seen = {"image": BaseModelOutputWithPooling(pooler_output=tokens)}
        loss: Tensor = model(**inputs, labels=labels, mm_encoder_outputs=seen).loss
    return loss


def exchanges(processor: Any, pairs: Sequence[tuple[str, str]]) -> tuple[dict[str, Tensor], Tensor]:
    """Prompts and answers as token ids, padded on the right; labels hold the answers only, with the end of the turn."""
    tokenizer = processor.tokenizer
    rows, labels = [], []
    for prompt, answer in pairs:
        question = tokenizer(_question(processor, prompt), add_special_tokens=False)["input_ids"]
        said = tokenizer(answer + END, add_special_tokens=False)["input_ids"]
        rows.append(question + said)
        labels.append([_IGNORED] * len(question) + said)
    longest = max(map(len, rows))
    ids = torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    aims = torch.tensor([row + [_IGNORED] * (longest - len(row)) for row in labels])
    return {"input_ids": ids, "attention_mask": mask}, aims


def _question(processor: Any, prompt: str) -> str:
    content = [{"type": "image"}, {"type": "text", "text": prompt}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    return str(text).replace(IMAGE, IMAGE * SQUARES**2)
