"""The describing model that is fine-tuned, from a folder or from the hub's cache on this machine."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from napari_mmlnb.describe.describing_facts import UNSTATED, folder_digest
from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.describing import libraries
from napari_mmlnb.training.describing.config import DescribingConfig, Precision

_LICENCE = re.compile(r"^license:\s*(\S.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class BaseFolder:
    """A describing model on the disk.

    Parameters
    ----------
    name : str
        OWNER/NAME on the hub, or the folder's own name: where it lies is nobody's business who gets the adapter.
    folder : Path
        Where it lies.
    sha256 : str
        Digest of its weights, configuration, tokenizer and processor.
    licence : str
        As its README states it.
    stored_dtype : str
        What its weights are stored in, for example "bfloat16"; empty where it does not say.
    """

    name: str
    folder: Path
    sha256: str
    licence: str
    stored_dtype: str


def find_base(config: DescribingConfig, base: Path) -> BaseFolder:
    """Find the model that a configuration names; nothing is fetched.

    Raises
    ------
    RequestError
        If it is neither a folder nor in the cache.
    """
    folder, name = (base / config.model).resolve(), config.model
    if folder.is_dir():
        name = folder.name
    else:
        folder = _cached(config.model)
    if not (folder / "config.json").is_file():
        raise RequestError(f"{folder} holds no describing model: it has no config.json.")
    return BaseFolder(name, folder, folder_digest(folder), _licence(folder), _stored_dtype(folder))


def load_processor(base: BaseFolder) -> Any:
    """The model's tokenizer and image transform (`AutoProcessor`); raises as `load_model`."""
    transformers = libraries.transformers()
    try:
        processor = transformers.AutoProcessor.from_pretrained(base.folder, local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise _unloadable(base, error) from error
    if getattr(processor, "chat_template", None) is None:
        raise RequestError(
            f"The model {base.name} has no chat template.", "Choose one that was tuned to follow a chat."
        )
    return processor


def load_model(folder: Path, name: str, dtype: torch.dtype, device: torch.device, *, four_bit: bool = False) -> Any:
    """Load a describing model by `AutoModelForImageTextToText`, in eval mode.

    Parameters
    ----------
    folder : Path
        Of the model.
    name : str
        For messages.
    dtype : torch.dtype
        Of its weights.
    device : torch.device
        Where to.
    four_bit : bool
        Hold the weights in four bits (NF4), computing in `dtype`.

    Raises
    ------
    RequestError
        If stock classes cannot load it.
    MissingExtraError
        If transformers, or what four bits need, is not installed.
    """
    transformers = libraries.transformers()
    extra: dict[str, Any] = {}
    if four_bit:
        extra = {"quantization_config": _four_bits(transformers, dtype, device), "device_map": {"": device}}
    try:
        model = transformers.AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True, **extra
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise RequestError(
            f"The model {name} cannot be loaded: {str(error).splitlines()[0]}",
            "It must be one that transformers' AutoModelForImageTextToText knows; code of its own is never run.",
        ) from error
    return (model if four_bit else model.to(device)).eval()


def dtype_for(precision: Precision, device: torch.device) -> torch.dtype:
    """What the frozen weights are held in; bfloat16 by itself only on a card that computes in it."""
    if precision != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32


def _cached(model: str) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - slow to import
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise RequestError(
            f"There is no describing model {model} here: neither a folder nor in this machine's cache.",
            f"Fetch it with: hf download {model}, or give a folder.",
        ) from error


def _four_bits(transformers: Any, dtype: torch.dtype, device: torch.device) -> Any:
    try:
        import bitsandbytes  # noqa: F401, PLC0415 - where there is one
    except ImportError as error:
        raise RequestError(
            "four_bit needs bitsandbytes, which is not installed.", "Install it with: pip install bitsandbytes"
        ) from error
    if device.type != "cuda":
        raise RequestError("four_bit needs a CUDA card.", "Set four_bit: false, or use a smaller model.")
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype, bnb_4bit_use_double_quant=True
    )


def _unloadable(base: BaseFolder, error: Exception) -> RequestError:
    return RequestError(
        f"The processor of {base.name} cannot be loaded: {str(error).splitlines()[0]}",
        "The folder needs a tokenizer, a processor and a chat template, as transformers saves them.",
    )


def _licence(folder: Path) -> str:
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return UNSTATED
    head = text.split("---", 2)[1] if text.startswith("---") and text.count("---") > 1 else ""
    found = _LICENCE.search(head)
    return found.group(1) if found else UNSTATED


def _stored_dtype(folder: Path) -> str:
    try:
        told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(told.get("dtype") or told.get("torch_dtype") or "")
