"""The eyes of the small describing model: its vision tower and projector, taught what lies where in a tile.

Our design: every token that the language model will be given has to tell what its own square of 16 um holds, and all
of them together the tile's checklist. That is dense teaching, so that a tower without any weights from elsewhere learns
to see single mitoses from a few thousand tiles.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_mmlnb.phantom.attributes import ATTRIBUTES
from napari_mmlnb.training.small_vlm.augment import plain, restained, turned
from napari_mmlnb.training.small_vlm.config import TowerConfig
from napari_mmlnb.training.small_vlm.tiles import COLUMNS, SHARES, TileSet

_SHARE_WEIGHTS = (1.0, 2.0, 2.0, 10.0)
"""Of what is there, in the loss: calcification covers little."""
_NUMBER_SCALES = (1.0, 1.5, 2.0, 1.0)
"""Of the roots of the numbers: what is rare is made larger."""
_RARE = {"rosettes": 4.0, "calcification": 3.0}
_TUMOUR = 2.0
"""How much more often tiles are drawn that hold what is rare, or cells enough to count."""


class GroundedTower(nn.Module):
    """Vision tower and projector of a FastVLM, with heads that serve for teaching only.

    Parameters
    ----------
    model : FastVlmForConditionalGeneration
        Whose parts learn.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.tower = model.model.vision_tower
        self.projector = model.model.multi_modal_projector
        hidden = model.config.text_config.hidden_size
        self.squares = nn.Linear(hidden, len(COLUMNS))
        self.tile = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, 128), nn.GELU())
        self.answers = nn.ModuleDict({a.name: nn.Linear(128, len(a.bands)) for a in ATTRIBUTES})

    def tokens(self, pixels: Tensor) -> Tensor:
        """(B, 3, 224, 224) to the (B, 49, hidden) tokens that the language model is given."""
        seen = self.tower(pixels).last_hidden_state
        tokens: Tensor = self.projector(seen.flatten(2).transpose(1, 2))
        return tokens

    def forward(self, pixels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What each square holds, (B, 49, 8), and logits of the checklist's bands, {name: (B, bands)}."""
        tokens = self.tokens(pixels)
        tile = self.tile(tokens.mean(dim=1))
        return self.squares(tokens), {name: head(tile) for name, head in self.answers.items()}


@dataclass(frozen=True)
class Lessons:
    """Tiles with the numbers of their true bands.

    Parameters
    ----------
    tiles : TileSet
        The tiles.
    bands : dict of str to ndarray
        (n,) int64 an attribute.
    """

    tiles: TileSet
    bands: dict[str, npt.NDArray[np.int64]]

    @classmethod
    def of(cls, tiles: TileSet) -> Lessons:
        """With the bands that the truth gives."""
        contents = tiles.contents()
        return cls(tiles, {a.name: np.array([a.band(one) for one in contents], dtype=np.int64) for a in ATTRIBUTES})

    def chances(self) -> npt.NDArray[np.float64]:
        """How often each tile is drawn; they sum to 1."""
        cells = self.tiles.squares[..., -1].sum(axis=(1, 2))
        weight = 1.0 + _TUMOUR * (cells >= 20) + sum(more * self.bands[name] for name, more in _RARE.items())
        chances: npt.NDArray[np.float64] = weight / weight.sum()
        return chances


Batch = tuple[Tensor, Tensor, npt.NDArray[np.int64]]


def teach_tower(
    tower: GroundedTower, lessons: Lessons, config: TowerConfig, seed: int, log: Callable[[str], None]
) -> None:
    """Train tower and projector, in place; leaves them in evaluation mode."""
    tower.train().to(memory_format=torch.channels_last)
    steps = max(1, round(config.epochs * len(lessons.tiles) / config.batch))
    optimiser = torch.optim.AdamW(tower.parameters(), lr=config.learning_rate, weight_decay=0.02)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=steps, pct_start=0.08)
    began, losses = time.monotonic(), []
    for step, (pixels, squares, chosen) in enumerate(_batches(lessons, config.batch, steps, seed), start=1):
        with torch.autocast("cpu", torch.bfloat16):
            said, answers = tower(pixels)
        loss = _loss(said.float(), answers, squares, {k: torch.from_numpy(v[chosen]) for k, v in lessons.bands.items()})
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(tower.parameters(), 5.0)
        optimiser.step()
        pace.step()
        losses.append(loss.item())
        if step % 50 == 0 or step == steps:
            rate = step * config.batch / (time.monotonic() - began)
            log(f"tower: step {step} of {steps}, loss {np.mean(losses[-50:]):.3f}, {rate:.0f} tiles/s")
    tower.eval()


def _loss(said: Tensor, answers: dict[str, Tensor], squares: Tensor, bands: dict[str, Tensor]) -> Tensor:
    shares = functional.binary_cross_entropy_with_logits(
        said[..., :SHARES], squares[..., :SHARES].clamp(0, 1), pos_weight=torch.tensor(_SHARE_WEIGHTS)
    )
    roots = squares[..., SHARES:].sqrt() * torch.tensor(_NUMBER_SCALES)
    numbers = functional.smooth_l1_loss(said[..., SHARES:], roots, beta=0.3)
    checklist = torch.stack(
        [functional.cross_entropy(answers[name].float(), band, label_smoothing=0.02) for name, band in bands.items()]
    )
    return shares + 3 * numbers + checklist.mean()


def _batches(lessons: Lessons, batch: int, steps: int, seed: int) -> Iterator[Batch]:
    """Drawn, stained and turned in the background, one batch ahead."""
    random = np.random.default_rng(seed)
    chances = lessons.chances()
    with ThreadPoolExecutor(1, "tiles") as pool:
        ahead = pool.submit(_batch, lessons, chances, batch, random)
        for step in range(steps):
            made = ahead.result()
            if step + 1 < steps:
                ahead = pool.submit(_batch, lessons, chances, batch, random)
            yield made


def _batch(lessons: Lessons, chances: npt.NDArray[np.float64], size: int, random: np.random.Generator) -> Batch:
    chosen = np.sort(random.choice(len(lessons.tiles), size, p=chances))
    pixels, squares = [], []
    for index in chosen:
        way = int(random.integers(8))
        pixels.append(turned(restained(lessons.tiles.pixels[index], random), way))
        squares.append(turned(lessons.tiles.squares[index], way))
    side = len(COLUMNS)
    return as_pixels(np.stack(pixels)), torch.from_numpy(np.stack(squares).reshape(size, -1, side)), chosen


def as_pixels(scaled: npt.NDArray[np.generic]) -> Tensor:
    """(B, H, W, 3) in -1 ... 1 as the tower takes it."""
    return torch.from_numpy(np.ascontiguousarray(scaled)).permute(0, 3, 1, 2)


def tower_accuracy(tower: GroundedTower, lessons: Lessons, every: int = 1) -> dict[str, float]:
    """Share of tiles whose band the teaching heads name, an attribute; of every so-manieth tile."""
    rows = np.arange(0, len(lessons.tiles), every)
    right: dict[str, list[npt.NDArray[np.bool_]]] = {name: [] for name in lessons.bands}
    tower.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for first in range(0, len(rows), 64):
            chosen = rows[first : first + 64]
            _, answers = tower(as_pixels(plain(lessons.tiles.pixels[chosen])))
            for name, logits in answers.items():
                right[name].append(logits.argmax(dim=1).numpy() == lessons.bands[name][chosen])
    return {name: float(np.concatenate(parts).mean()) for name, parts in right.items()}
