"""The network's parts as a configuration wants them, and the weights that they start from."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file

from napari_mmlnb.bundles.tokenizer import TextTokenizer, read_tokenizer, train_tokenizer
from napari_mmlnb.errors import MissingExtraError, RequestError
from napari_mmlnb.models.towers.image import ImageTower, build_image_tower
from napari_mmlnb.models.towers.text import TEXT_TOWERS, BertTower, TextTower
from napari_mmlnb.training.image_level.config import ImageTowerConfig, TextTowerConfig


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
    UnknownNameError, RequestError, MissingExtraError
        If there is no such tower, its folder holds no BERT, or transformers is not installed.
    """
    if config.folder is None:
        try:
            return TEXT_TOWERS.get(config.name).build(vocabulary)
        except ImportError as error:
            raise MissingExtraError("transformers, which BERT needs,", "transformers") from error
    try:
        from transformers import BertModel  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtraError("transformers, which BERT needs,", "transformers") from error
    folder = base / config.folder
    try:
        bert = BertModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise RequestError(f"The folder {folder.name} holds no BERT that transformers can read.") from error
    return BertTower(bert, bert.config.hidden_size)
