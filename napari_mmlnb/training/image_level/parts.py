"""The network's parts as a configuration wants them, and the weights that they start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import nn

from napari_mmlnb.bundles.spec import TOKENIZER_FILE
from napari_mmlnb.bundles.tokenizer import TextTokenizer, read_tokenizer, train_tokenizer
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import RequestError
from napari_mmlnb.models.towers.image import ImageTower, build_image_tower
from napari_mmlnb.models.towers.text import TEXT_TOWERS, BertTower, TextTower
from napari_mmlnb.training.image_level.config import ImageTowerConfig, TextTowerConfig

BERT_FILE = "bert.json"
"""The shape of a BERT that was not made here, beside the weights that came of it."""


def configured_tokenizer(config: TextTowerConfig, base: Path, texts: list[str]) -> TextTokenizer:
    """The tokenizer of the configured folder, or one learned from these texts; raises BundleError if it is none."""
    if config.folder is not None:
        return read_tokenizer(base / config.folder, config.max_tokens)
    return train_tokenizer(texts, config.vocabulary, config.max_tokens)


def configured_image_tower(config: ImageTowerConfig, base: Path) -> ImageTower:
    """The configured image tower, with its weights.

    Raises
    ------
    UnknownNameError, RequestError
        If there is no such tower, or the weights are not its own.
    """
    tower = build_image_tower(config.name)
    if config.weights is None:
        return tower
    path = base / config.weights
    try:
        weights = load_file(path)
    except Exception as error:  # the library raises its own
        raise RequestError(f"The weights {path.name} cannot be read as safetensors.") from error
    # Weights of a whole network have heads that a tower has not.
    known = {name: tensor for name, tensor in weights.items() if name in tower.state_dict()}
    missing = set(tower.state_dict()) - set(known)
    if missing:
        raise RequestError(f"The weights {path.name} are not those of {config.name}: {min(missing)} is not there.")
    tower.load_state_dict(known)
    return tower


def configured_text_tower(config: TextTowerConfig, base: Path, vocabulary: int) -> TextTower:
    """The configured text tower for so many token ids.

    Raises
    ------
    UnknownNameError, RequestError
        If there is no such tower, or its folder holds no whole BERT: what is missing would start from nothing.
    """
    if config.folder is None:
        return TEXT_TOWERS.get(config.name).build(vocabulary)
    from transformers import BertConfig, BertModel  # noqa: PLC0415 - seconds

    from napari_mmlnb.describe.vlm_loading import without_bars  # noqa: PLC0415 - seconds

    folder = base / config.folder
    try:
        kind = BertConfig.get_config_dict(folder, local_files_only=True)[0].get("model_type")
        if kind != "bert":
            raise _no_bert(folder, f"it is a model of the type {kind}")
        with without_bars():
            loaded: Any = BertModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise _no_bert(folder, "transformers cannot read it") from error
    bert, told = loaded
    if told["missing_keys"]:
        raise _no_bert(folder, f"{min(told['missing_keys'])} is not there")
    return BertTower(bert)


def _no_bert(folder: Path, why: str) -> RequestError:
    return RequestError(
        f"The folder {folder.name} holds no whole BERT with a pooled output: {why}.",
        "Give one that transformers wrote, with config.json, model.safetensors and tokenizer.json.",
    )


def given_weights(image: ImageTowerConfig, text: TextTowerConfig, base: Path) -> dict[str, str]:
    """SHA-256 of what the towers start from, by name; empty where they start from nothing."""
    folder = None if text.folder is None else base / text.folder
    files = {"image weights": None if image.weights is None else base / image.weights}
    files |= {f"text tower {name}": folder and folder / name for name in ("model.safetensors", TOKENIZER_FILE)}
    return {name: file_sha256(path) for name, path in files.items() if path is not None and path.is_file()}


def save_shape(tower: nn.Module, folder: Path) -> None:
    """Write what `trained_text_tower` needs to build the same tower again."""
    if isinstance(tower, BertTower):
        tower.bert.config.to_json_file(folder / BERT_FILE)


def trained_text_tower(folder: Path, config: TextTowerConfig, vocabulary: int) -> TextTower:
    """The text tower of a training that wrote into `folder`, its weights not yet read; raises UnknownNameError."""
    if not (folder / BERT_FILE).exists():
        return TEXT_TOWERS.get(config.name).build(vocabulary)
    from transformers import BertConfig, BertModel  # noqa: PLC0415 - seconds

    return BertTower(BertModel(BertConfig.from_json_file(folder / BERT_FILE)))
