"""Which layers learn, and with which settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.describing.adapter import learning_weights, put_on, save_adapter, teach
from napari_mmlnb.training.describing.base_model import find_base, load_model
from napari_mmlnb.training.describing.config import DescribingConfig
from napari_mmlnb.training.describing.targets import target_modules

ATTENTION = {f"self_attn.{name}" for name in ("q_proj", "k_proj", "v_proj", "o_proj")}
MLP = {f"mlp.{name}" for name in ("gate_proj", "up_proj", "down_proj")}
LANGUAGE = {f"model.language_model.layers.{layer}.{name}" for layer in (0, 1) for name in ATTENTION | MLP}
VISUAL = {f"model.visual.blocks.{block}.{name}" for block in (0, 1) for name in MLP}


def _config(model: Path, **lora: object) -> DescribingConfig:
    data = {"table": "table.csv", "images": "images"}
    return DescribingConfig(name="x", model=str(model), classes={"a": "one", "b": "two"}, data=data, lora=lora)


def _adapted(model: Path, **lora: object):
    config = _config(model, **lora)
    plain = load_model(model, "x", torch.float32, torch.device("cpu"))
    return put_on(plain, config, find_base(config, model))


def _layers(adapted) -> set[str]:
    stock = adapted.get_base_model()
    return {name.partition(".lora_")[0] for name in learning_weights(stock)}


def test_the_adapter_is_on_the_language_model_alone(model: Path) -> None:
    part = "text_model" if "idefics" in model.name else "language_model"
    assert _layers(_adapted(model)) == {name.replace("language_model", part) for name in LANGUAGE}


def test_as_published_the_bare_names_hit_the_visual_blocks_too(models: dict[str, Path]) -> None:
    assert _layers(_adapted(models["qwen"], targets="as_published")) == LANGUAGE | VISUAL
    assert _layers(_adapted(models["fast_vlm"], targets="as_published")) == LANGUAGE
    assert any("vision_model" in name for name in _layers(_adapted(models["idefics"], targets="as_published")))


def test_the_settings_are_those_of_the_released_code(qwen: Path, tmp_path: Path) -> None:
    adapted = _adapted(qwen)
    save_adapter(adapted, tmp_path)
    told = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (told["r"], told["lora_alpha"], told["lora_dropout"], told["bias"]) == (64, 16, 0.05, "none")
    assert told["peft_type"] == "LORA"
    assert told["base_model_name_or_path"] == qwen.name
    assert (tmp_path / "adapter_model.safetensors").is_file()
    published = _adapted(qwen, targets="as_published").peft_config["default"].target_modules
    assert set(published) == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_what_is_frozen_stays_as_at_inference(models: dict[str, Path]) -> None:
    """Batch norm in the image part must neither use a batch's statistics nor move: no adapter could carry that."""
    adapted = _adapted(models["fast_vlm"])
    teach(adapted)
    stock = adapted.get_base_model().model
    assert not any(module.training for module in stock.vision_tower.modules())
    assert not any(module.training for module in stock.multi_modal_projector.modules())
    assert stock.language_model.layers[0].training
    assert stock.language_model.layers[0].self_attn.q_proj.lora_dropout["default"].training
    teach(both := _adapted(models["qwen"], targets="as_published"))
    assert both.get_base_model().model.visual.blocks[0].training


def test_a_model_without_such_layers_is_refused() -> None:
    class Other(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = torch.nn.Linear(2, 2)

        def get_decoder(self) -> torch.nn.Module:
            return self.decoder

    for targets in ("language", "as_published"):
        with pytest.raises(RequestError, match="q_proj"):
            target_modules(Other(), targets)
