"""The adapter of a describing model: put on, taught, written, loaded and merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from napari_mmlnb.bundles.weights_file import share_as_folder
from napari_mmlnb.training.describing import libraries
from napari_mmlnb.training.describing.base_model import BaseFolder, load_model
from napari_mmlnb.training.describing.config import DescribingConfig
from napari_mmlnb.training.describing.targets import target_modules


def put_on(model: Any, config: DescribingConfig, base: BaseFolder) -> Any:
    """Freeze a describing model and put a fresh adapter on it, which changes nothing before it has learned.

    Raises
    ------
    MissingExtraError
        If peft is not installed.
    RequestError
        If the model has none of the layers.
    """
    library = libraries.peft()
    if config.four_bit:
        model = library.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    settings = library.LoraConfig(
        r=config.lora.r,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        bias=config.lora.bias,
        target_modules=target_modules(model, config.lora.targets),
    )
    adapted = library.get_peft_model(model, settings)
    adapted.peft_config["default"].base_model_name_or_path = base.name
    return adapted


def learning_weights(model: nn.Module) -> dict[str, Tensor]:
    """What of a model learns, by name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def set_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put weights of `learning_weights` back.

    Raises
    ------
    KeyError
        If the names do not fit.
    """
    own = learning_weights(model)
    if own.keys() != weights.keys():
        raise KeyError("the adapter's weights have other names")
    with torch.no_grad():
        for name, weight in own.items():
            weight.copy_(weights[name])


def teach(model: Any) -> None:
    """Training mode for the parts that learn; the others stay as at inference, without dropout or batch statistics."""
    stock = model.get_base_model()
    model.eval()
    stock.get_submodule(_common_path(list(learning_weights(stock)))).train()
    for module in stock.modules():
        if isinstance(module, _BatchNorm):
            module.eval()


def _common_path(names: Sequence[str]) -> str:
    """Path of the smallest module that holds all these weights."""
    shared = zip(*(name.split(".")[:-1] for name in names), strict=False)
    return ".".join(parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, shared))


def save_adapter(model: Any, folder: Path) -> None:
    """Write the adapter as peft does (`adapter_config.json`, `adapter_model.safetensors`)."""
    model.save_pretrained(folder, safe_serialization=True)
    share_as_folder(folder)


def reload_adapter(
    base: BaseFolder,
    folder: Path,
    dtype: torch.dtype,
    device: torch.device,
    *,
    four_bit: bool = False,
) -> Any:
    """The base, loaded anew, with the adapter of a folder; in eval mode."""
    model = load_model(base.folder, base.name, dtype, device, four_bit=four_bit)
    return libraries.peft().PeftModel.from_pretrained(model, str(folder)).eval()


def save_merged(model: Any, processor: Any, folder: Path, dtype: torch.dtype, ends: list[int]) -> None:
    """Add the adapter to the weights and write a plain model with its processor; `model` is used up.

    Parameters
    ----------
    model : Module
        With its adapter, its weights not in four bits.
    processor : ProcessorMixin
        Of the base.
    folder : Path
        Where to.
    dtype : torch.dtype
        To store the weights in.
    ends : list of int
        Tokens that end an answer.
    """
    merged = model.merge_and_unload(safe_merge=True)
    merged.generation_config.eos_token_id = ends
    merged.to(dtype).save_pretrained(folder, safe_serialization=True)
    share_as_folder(folder)
    processor.save_pretrained(folder)
