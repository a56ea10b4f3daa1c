"""What an encoder is, as a digest: the very numbers that it computes with, and what is done around them."""

from __future__ import annotations

import hashlib
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from napari_mmlnb.models.encoders.base import PatchEncoder

_NO_MATTER = ("summary", "licence", "gated")

_State = tuple[tuple[str, Tensor, int, int], ...]
_DIGESTS: WeakKeyDictionary[nn.Module, tuple[_State, str]] = WeakKeyDictionary()
"""Of modules that are there; as `functools.cache`, but for what can change."""


def weights_digest(module: nn.Module) -> str:
    """Digest of a module's numbers, wherever they came from; computed again unless PyTorch says that none changed."""
    state = _state(module)
    known = _DIGESTS.get(module)
    if state is not None and known is not None and _same(known[0], state):
        return known[1]
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    if state is not None:
        _DIGESTS[module] = (state, digest.hexdigest())
    return digest.hexdigest()


def _state(module: nn.Module) -> _State | None:
    """Each tensor, where it lies, and how often it was written to: PyTorch counts that (not through `.data`).

    None where it does not count: a tensor that was moved to a card in inference mode.
    """
    tensors = sorted(module.state_dict(keep_vars=True).items())
    if any(tensor.is_inference() for _, tensor in tensors):
        return None
    return tuple((name, tensor, tensor.data_ptr(), tensor._version) for name, tensor in tensors)


def _same(one: _State, other: _State) -> bool:
    """Whether they are the very same tensors: those that are kept are alive, so no other can have their place."""
    return len(one) == len(other) and all(
        a[0] == b[0] and a[1] is b[1] and a[2:] == b[2:] for a, b in zip(one, other, strict=True)
    )


def facts_text(encoder: PatchEncoder) -> str:
    """The facts that change features: not what is said of the encoder, only what it does."""
    return repr({name: value for name, value in vars(encoder.facts).items() if name not in _NO_MATTER})
