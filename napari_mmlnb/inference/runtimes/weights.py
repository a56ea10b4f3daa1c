"""What an encoder is, as a digest: the very numbers that it computes with, and what is done around them."""

from __future__ import annotations

import hashlib
from weakref import WeakKeyDictionary

import torch
from torch import nn

from napari_mmlnb.models.encoders.base import PatchEncoder

_NO_MATTER = ("summary", "licence", "gated")

_State = tuple[tuple[str, int, int], ...]
_DIGESTS: WeakKeyDictionary[nn.Module, tuple[_State, str]] = WeakKeyDictionary()
"""Of modules that are there; as `functools.cache`, but for what can change."""


def weights_digest(module: nn.Module) -> str:
    """Digest of a module's numbers, wherever they came from; computed again only when PyTorch says they changed."""
    state = _state(module)
    known = _DIGESTS.get(module)
    if known is not None and known[0] == state:
        return known[1]
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    _DIGESTS[module] = (state, digest.hexdigest())
    return digest.hexdigest()


def _state(module: nn.Module) -> _State:
    """Where each tensor lies, and how often it was written to: PyTorch counts that (not through `.data`)."""
    tensors = sorted(module.state_dict(keep_vars=True).items())
    return tuple((name, tensor.data_ptr(), tensor._version) for name, tensor in tensors)


def facts_text(encoder: PatchEncoder) -> str:
    """The facts that change features: not what is said of the encoder, only what it does."""
    return repr({name: value for name, value in vars(encoder.facts).items() if name not in _NO_MATTER})
