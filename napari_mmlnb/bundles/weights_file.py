"""Weights on disk: safetensors that whoever may read their folder may read.

The library writes files that are its owner's alone (mode 0600), as do transformers and peft by way of it: a colleague
could open a bundle's text files, but not its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

_FILE_BITS = 0o666


def write_weights(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write named tensors of any device, whole or not at all; raises OSError."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, partial)
        share_as_folder(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def share_as_folder(path: Path) -> None:
    """Let whoever may enter a file's folder read it; for a folder, the weights in it."""
    if path.is_dir():
        for file in path.glob("*.safetensors"):
            share_as_folder(file)
        return
    path.chmod(path.parent.stat().st_mode & _FILE_BITS)
