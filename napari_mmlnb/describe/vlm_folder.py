"""The folder of a describing model, looked at before anything of it is loaded.

A plain folder as transformers writes it: `config.json`, weights as safetensors (one file, or several with an index),
processor and tokenizer. A folder that needs Python code of its own, or has pickled weights only, is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_mmlnb.digest import kept_sha256
from napari_mmlnb.errors import DescriberError

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")
TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "tokenizer.model")
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"

_LONGEST_HEADER = 100_000_000


@dataclass(frozen=True)
class VlmFolder:
    """A folder that holds a describing model.

    Parameters
    ----------
    path : Path
        Where it lies.
    model_type : str
        As its config says.
    weights : int
        How many there are.
    files : tuple of Path
        That hold them.
    """

    path: Path
    model_type: str
    weights: int
    files: tuple[Path, ...] = ()


def open_vlm_folder(describer: str, path: Path) -> VlmFolder:
    """Look at a folder; nothing is loaded.

    Parameters
    ----------
    describer : str
        For errors, which do not give the path.
    path : Path
        The folder.

    Raises
    ------
    DescriberError
        If something is missing or unsound, it needs code of its own, or its weights are not safetensors.
    """
    if not path.is_dir():
        raise DescriberError(
            describer, f"The folder of the describing model {describer} is not there.", "Check the path."
        )
    config = _read_json(describer, path / CONFIG_FILE)
    for name in (CONFIG_FILE, *PROCESSOR_FILES, "tokenizer_config.json"):
        if (path / name).is_file() and "auto_map" in _read_json(describer, path / name):
            raise DescriberError(
                describer,
                f"{describer} needs Python code from its own folder, which this program never runs, whoever wrote it.",
                "Choose a model of an architecture that transformers has.",
            )
    if not config.get("model_type"):
        raise DescriberError(
            describer, f"The {CONFIG_FILE} of {describer} names no model_type.", "Is it transformers'?"
        )
    for names, what in ((PROCESSOR_FILES, "processor"), (TOKENIZER_FILES, "tokenizer")):
        if not any((path / name).is_file() for name in names):
            raise DescriberError(
                describer,
                f"{describer} has no {what} ({' or '.join(names)}).",
                "Save the processor beside the model (processor.save_pretrained).",
            )
    files = _weight_files(describer, path)
    weights = sum(_count_weights(describer, file) for file in files)
    return VlmFolder(path, str(config["model_type"]), weights, files)


def is_whole(describer: str, path: Path) -> bool:
    """Whether a folder holds a model with all its files; one of a cache may lack some."""
    try:
        open_vlm_folder(describer, path)
    except DescriberError:
        return False
    return True


def weights_digest(folder: VlmFolder, adapter: Path | None = None) -> str:
    """By which a record names the weights that spoke.

    The SHA-256 of the file where there is one; of several (a model in parts, or with an adapter) that of the lines
    "SHA-256, two spaces, name" in the order of the names, as `sha256sum` prints them.

    Parameters
    ----------
    folder : VlmFolder
        Of the model.
    adapter : Path, optional
        Folder of the adapter on it.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    files = [*folder.files, *([adapter / ADAPTER_WEIGHTS] if adapter is not None else [])]
    if len(files) == 1:
        return kept_sha256(files[0])
    lines = "".join(f"{kept_sha256(file)}  {file.name}\n" for file in sorted(files, key=lambda file: file.name))
    return hashlib.sha256(lines.encode()).hexdigest()


def is_adapter(path: Path) -> bool:
    """Whether a folder holds a LoRA adapter and no model of its own."""
    return (path / ADAPTER_CONFIG).is_file() and not (path / CONFIG_FILE).is_file()


def check_adapter(describer: str, path: Path) -> dict[str, Any]:
    """Look at the folder of a LoRA adapter, and give its config.

    Raises
    ------
    DescriberError
        If it has no config or no safetensors.
    """
    config = _read_json(describer, path / ADAPTER_CONFIG)
    if not (path / ADAPTER_WEIGHTS).is_file():
        raise DescriberError(
            describer, f"The adapter has no {ADAPTER_WEIGHTS}.", "Save it as safetensors; pickled ones are not read."
        )
    return config


def _weight_files(describer: str, path: Path) -> tuple[Path, ...]:
    if (path / WEIGHTS_FILE).is_file():
        return (path / WEIGHTS_FILE,)
    if not (path / INDEX_FILE).is_file():
        raise DescriberError(
            describer,
            f"{describer} has no {WEIGHTS_FILE} and no {INDEX_FILE}.",
            "Save the weights as safetensors; pickled ones are not read.",
        )
    index = _read_json(describer, path / INDEX_FILE).get("weight_map")
    names = sorted({str(name) for name in index.values()}) if isinstance(index, dict) else []
    missing = [name for name in names if Path(name).name != name or not (path / name).is_file()]
    if missing or not names:
        what = f"lacks {', '.join(missing)}" if missing else f"has an {INDEX_FILE} that names no file"
        raise DescriberError(describer, f"{describer} {what}.", "Fetch it again.")
    return tuple(path / name for name in names)


def _count_weights(describer: str, file: Path) -> int:
    """From the header of a safetensors file: eight bytes of length, then JSON."""
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > _LONGEST_HEADER:
                raise ValueError("its header is too long")
            header = json.loads(opened.read(length))
        tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
        if 8 + length + max((int(t["data_offsets"][1]) for t in tensors), default=0) > file.stat().st_size:
            raise ValueError("it is shorter than it says")
        return sum(math.prod(tensor["shape"]) for tensor in tensors)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise DescriberError(
            describer, f"The weights of {describer} ({file.name}) cannot be read.", "Fetch or save them again."
        ) from error


def _read_json(describer: str, path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DescriberError(
            describer, f"{describer} has no {path.name}.", "It should be a folder as transformers or peft write it."
        ) from None
    except (OSError, ValueError) as error:
        raise DescriberError(describer, f"The {path.name} of {describer} cannot be read.", "Fetch it again.") from error
    if not isinstance(read, dict):
        raise DescriberError(describer, f"The {path.name} of {describer} is not what it should be.", "Fetch it again.")
    return read
