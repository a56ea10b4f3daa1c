"""From phantoms to a small describing model: tower, tokenizer, and a language model that has the words.

What it writes is a *base*: it describes in general words what it sees, and knows the words of the disease without
knowing what they mean. `mmlnb finetune-vlm` teaches it that, as it would any other describing model.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import load_file

from napari_mmlnb import __version__
from napari_mmlnb.bundles.weights_file import write_weights
from napari_mmlnb.describe.prompt import DEFAULT_PROMPT
from napari_mmlnb.errors import OutputError, RequestError
from napari_mmlnb.phantom.attributes import checklist
from napari_mmlnb.phantom.captions import WORDINGS, caption
from napari_mmlnb.training.config import read_as
from napari_mmlnb.training.log_file import LOG_FILE, Log, written_to
from napari_mmlnb.training.run_folder import claim
from napari_mmlnb.training.small_vlm.config import SmallVlmConfig
from napari_mmlnb.training.small_vlm.general import GENERAL_PROMPT, general_captions
from napari_mmlnb.training.small_vlm.language import Subject, teach_language, views_of
from napari_mmlnb.training.small_vlm.model import build_model, build_processor, learn_tokenizer, save_model
from napari_mmlnb.training.small_vlm.tiles import TilePlan, TileSet, make_tiles
from napari_mmlnb.training.small_vlm.tower import GroundedTower, Lessons, teach_tower, tower_accuracy

TILES_FOLDER, TOWER_FILE = "tiles", "tower.safetensors"
BASE_FOLDER, RECORD_FILE = "base", "record.json"


def train_small_vlm(path: Path, out: Path, *, log: Log, replace: bool = False) -> Path:
    """Train the base of the small describing model.

    Parameters
    ----------
    path : Path
        A YAML file that fits `SmallVlmConfig`.
    out : Path
        Folder; all is written into ``out/NAME``: the model (`base/`, which stock auto classes load), its tiles and its
        tower, which a training that was stopped goes on from, and a record.
    log : callable
        Told a line at a time.
    replace : bool
        Move what another training left there aside, instead of refusing.

    Returns
    -------
    Path
        ``out/NAME/base``.

    Raises
    ------
    RequestError
        If the configuration is wrong, or learns from what is held out, or another training is there.
    OutputError
        If nothing can be written there.
    """
    config = read_as(SmallVlmConfig, path)
    _refuse_shared_seeds(config)
    folder = out / config.name
    made_of = {"version": __version__, "configuration": config.model_dump(mode="json", exclude={"name"})}
    claim((folder,), made_of, precious=(TOWER_FILE, f"{BASE_FOLDER}/*"), replace=replace)
    try:
        told = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
        (folder / "train.yaml").write_text(told, encoding="utf-8")
    except OSError as error:
        raise OutputError(folder, error.strerror or "it cannot be made") from error
    return _Training(config, folder, log).run()


def _refuse_shared_seeds(config: SmallVlmConfig) -> None:
    learned = range(config.tiles.first_seed, config.tiles.first_seed + config.tiles.phantoms)
    held = range(config.held_out.first_seed, config.held_out.first_seed + config.held_out.phantoms)
    if learned.start < held.stop and held.start < learned.stop:
        raise RequestError(
            "The phantoms that are held out are also learned from.", "Give held_out.first_seed another range."
        )


class _Training:
    """One training: what its steps hand to one another."""

    def __init__(self, config: SmallVlmConfig, folder: Path, log: Log) -> None:
        self.config = config
        self.folder = folder
        self.log = written_to(folder / LOG_FILE, log)
        self.began = time.monotonic()
        self.record: dict[str, Any] = {"version": __version__, "seconds": {}}

    def run(self) -> Path:
        config = self.config
        tiles = self._timed("tiles", lambda: self._tiles(config.tiles.phantoms, config.tiles.first_seed))
        held = self._timed("held out", lambda: self._tiles(config.held_out.phantoms, config.held_out.first_seed))
        general = general_captions(tiles)
        words = [*general, DEFAULT_PROMPT, GENERAL_PROMPT, *(text for texts in WORDINGS.values() for text in texts)]
        tokenizer = learn_tokenizer([*words, "user assistant system\n"], config.language.vocabulary)
        torch.manual_seed(config.seed)
        model, processor = build_model(tokenizer, config.tower, config.language), build_processor(tokenizer)
        tower = GroundedTower(model)
        self._timed("tower", lambda: self._teach_tower(tower, tiles))
        accuracy = tower_accuracy(tower, Lessons.of(held))
        self.log("tower alone, held out: " + ", ".join(f"{name} {value:.3f}" for name, value in accuracy.items()))
        views = self._timed("views", lambda: views_of(tower, tiles, config.language.views, config.seed + 1, self.log))
        # Two thirds of the lessons teach to look, one third the words.
        looking, words_only = Subject(GENERAL_PROMPT, general), Subject(DEFAULT_PROMPT, self._foreign_captions(tiles))
        subjects = (looking, looking, words_only)
        self._timed(
            "language",
            lambda: teach_language(model, processor, views, subjects, config.language, config.seed + 2, self.log),
        )
        base = self.folder / BASE_FOLDER
        self.record |= {"tiles": len(tiles), "held_out": len(held), "tower_accuracy": accuracy}
        self.record["parameters"] = sum(weight.numel() for weight in model.parameters())
        save_model(model, processor, base, _card(config, self.record))
        (self.folder / RECORD_FILE).write_text(json.dumps(self.record, indent=2) + "\n", encoding="utf-8")
        return base

    def _timed(self, what: str, step: Callable[[], Any]) -> Any:
        began = time.monotonic()
        made = step()
        self.record["seconds"][what] = round(time.monotonic() - began, 1)
        self.log(f"{what}: {self.record['seconds'][what]:.0f} s")
        return made

    def _tiles(self, phantoms: int, first_seed: int) -> TileSet:
        return make_tiles(TilePlan(phantoms, first_seed), self.folder / TILES_FOLDER, log=self.log)

    def _teach_tower(self, tower: GroundedTower, tiles: TileSet) -> None:
        """Learned once: a training that was stopped goes on with the tower that it had."""
        path = self.folder / TOWER_FILE
        if path.is_file():
            tower.load_state_dict(load_file(path))
            tower.eval()
            return
        teach_tower(tower, Lessons.of(tiles), self.config.tower, self.config.seed, self.log)
        write_weights(tower.state_dict(), path)

    def _foreign_captions(self, tiles: TileSet) -> list[str]:
        """A true caption of another tile for each: the words, and how they are put together, but not what they mean."""
        random = np.random.default_rng(self.config.seed + 3)
        contents = tiles.contents()
        other = random.permutation(len(contents))
        return [caption(checklist(contents[i]), random) for i in other]


def _card(config: SmallVlmConfig, record: dict[str, Any]) -> str:
    return f"""---
license: bsd-3-clause
pipeline_tag: image-text-to-text
---
# {config.name}: a small describing model of synthetic tissue

Research use only. It has seen nothing but synthetic slides (phantoms) and knows nothing of real tissue.

This is a base: asked in general it describes what it sees; of neuroblastic tissue it has the words, not their meaning,
until it is fine-tuned (`mmlnb finetune-vlm`).

- Architecture: FastVLM of transformers ({record["parameters"]:,} weights): ResNet of timm, Qwen2, byte-level BPE.
- Weights from elsewhere: none.
- Learned from {record["tiles"]:,} tiles of {config.tiles.phantoms} phantoms (seeds from {config.tiles.first_seed}).
- Tower alone on {record["held_out"]:,} tiles of {config.held_out.phantoms} other phantoms (seeds from \
{config.held_out.first_seed}), share of tiles right: \
{", ".join(f"{name} {value:.3f}" for name, value in record["tower_accuracy"].items())}.
- Made by `mmlnb train` of napari-mmlnb {record["version"]}, seed {config.seed}.
"""
