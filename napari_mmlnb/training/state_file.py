"""Where a training stands, on the disk: whole or not at all, and never anything that runs code when it is read."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

CHECKPOINT_FILE = "checkpoint.pt"


def write_state(folder: Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values; what was there stays until the new one is whole."""
    fresh = folder / f"{CHECKPOINT_FILE}.new"
    torch.save(dict(content), fresh)
    fresh.replace(folder / CHECKPOINT_FILE)


def read_state(folder: Path, digest: str) -> dict[str, Any] | None:
    """What a training of the same thing has left, without its digest; None where there is nothing, or it is damaged.

    Parameters
    ----------
    folder : Path
        Of the run.
    digest : str
        Of what is trained, the content's `digest`: another configuration or cohort never goes on from here.
    """
    try:
        content: Any = torch.load(folder / CHECKPOINT_FILE, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
        return None
    if not isinstance(content, dict) or content.pop("digest", None) != digest:
        return None
    return content
