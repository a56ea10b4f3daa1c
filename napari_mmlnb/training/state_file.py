"""Where a training stands, on the disk: whole or not at all, and never anything that runs code when it is read."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from napari_mmlnb.errors import OutputError

CHECKPOINT_FILE = "checkpoint.pt"


def write_state(folder: Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values; what was there stays until the new one is whole; raises OutputError."""
    fresh = folder / f"{CHECKPOINT_FILE}.new"
    try:
        with fresh.open("wb") as file:
            torch.save(dict(content), file)
        fresh.replace(folder / CHECKPOINT_FILE)
    except (OSError, RuntimeError) as error:  # torch's own writer raises the latter on a full disk
        why = error.strerror if isinstance(error, OSError) else None
        raise OutputError(folder / CHECKPOINT_FILE, why or "the disk may be full") from error
    finally:
        fresh.unlink(missing_ok=True)


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
