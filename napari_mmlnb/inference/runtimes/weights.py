"""What an encoder is, as a digest: the very numbers that it computes with, and what is done around them."""

from __future__ import annotations

import hashlib

import torch
from torch import nn

from napari_mmlnb.models.encoders.base import PatchEncoder

_NO_MATTER = ("summary", "licence", "gated")


def weights_digest(module: nn.Module) -> str:
    """Digest of a module's numbers, wherever they came from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def facts_text(encoder: PatchEncoder) -> str:
    """The facts that change features: not what is said of the encoder, only what it does."""
    return repr({name: value for name, value in vars(encoder.facts).items() if name not in _NO_MATTER})
