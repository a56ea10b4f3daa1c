"""Encoders with their weights: that they are what they should be, and that they fit."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from napari_mmlnb.bundles.encoder_source import encoder_facts, files_folder, weights_path
from napari_mmlnb.bundles.hub import hub_digest
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import BundleError, MissingExtraError
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.models.encoders.facts import HUB, PACKAGE, EncoderFacts, Library
from napari_mmlnb.models.encoders.networks import TransformersTokens, timm_network

SAFE = ".safetensors"


def load_encoder(name: str) -> PatchEncoder:
    """A patch encoder with its weights, on the CPU, in evaluation mode. Nothing is downloaded.

    Parameters
    ----------
    name : str
        As in the encoder registry; or NAME@COMMIT, timm:NAME@COMMIT, a folder.

    Returns
    -------
    PatchEncoder
        Nobody else's: the caller may move it. Its facts carry the digest of the weights that were loaded.

    Raises
    ------
    UnknownNameError
        If no encoder bears the name.
    WeightsMissingError, RevisionMissingError
        If the weights are not here, or nobody has said which.
    MissingExtraError
        If it is a model of transformers, which is not installed.
    BundleError
        If its weights are altered, or do not fit the architecture.
    """
    facts = encoder_facts(name)
    path = weights_path(facts)
    facts = replace(facts, sha256=_checked_digest(facts, path))
    network = _LIBRARIES[facts.library](facts, path)
    try:
        encoder = PatchEncoder(facts, network)
    except ValueError as error:
        raise BundleError(name, f"The weights of {name} do not fit its architecture: {error}.") from error
    return encoder.eval().requires_grad_(requires_grad=False)


@lru_cache(maxsize=1)
def shared_encoder(name: str) -> PatchEncoder:
    """`load_encoder`, kept: a second run in the same session does not read the weights again."""
    return load_encoder(name)


def _checked_digest(facts: EncoderFacts, path: Path) -> str:
    """The digest of the weights, compared with what is known of it."""
    known = facts.sha256 or (hub_digest(path) if facts.source.startswith(HUB) else "")
    digest = file_sha256(path)
    if known and digest != known:
        raise BundleError(
            facts.name,
            f"The weights of {facts.name} are not the ones this program knows (their checksum differs).",
            f"Fetch them again: mmlnb models fetch {facts.name}" if facts.repository else "Install the package again.",
        )
    if not known and path.suffix != SAFE:
        raise BundleError(
            facts.name,
            f"The weights of {facts.name} are pickled, and nobody has stated their checksum.",
            f"Fetch them with: mmlnb models fetch {facts.name}",
        )
    return digest


def _timm(facts: EncoderFacts, path: Path) -> nn.Module:
    tensors = _tensors(facts, path)
    try:
        network: nn.Module = timm_network(facts)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise BundleError(
            facts.name, f"timm cannot build {facts.architecture} for {facts.name}: {_first_line(error)}."
        ) from error
    own = network.state_dict()
    if facts.source.startswith(PACKAGE):
        # A third party's checkpoint has other names, but the same tensors in the same order.
        if [t.shape for t in tensors.values()] != [t.shape for t in own.values()]:
            raise BundleError(facts.name, f"The weights of {facts.name} do not fit its architecture.")
        tensors = dict(zip(own, tensors.values(), strict=True))
    try:
        network.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        why = " ".join(str(error).split())[:200]
        raise BundleError(facts.name, f"The weights of {facts.name} do not fit its architecture: {why}.") from error
    return network


def _transformers(facts: EncoderFacts, path: Path) -> nn.Module:  # noqa: ARG001 - as the others
    try:
        from transformers import AutoModel  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtraError(f"transformers, which {facts.name} needs,", "transformers") from error
    folder = files_folder(facts)
    _refuse_code(facts, folder)
    try:
        model, loaded = AutoModel.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise BundleError(
            facts.name, f"transformers cannot load {facts.name} from {folder}: {_first_line(error)}."
        ) from error
    missing = sorted(loaded["missing_keys"])
    if missing:
        raise BundleError(
            facts.name, f"The weights of {facts.name} do not fit its architecture: {missing[0]} is missing."
        )
    return TransformersTokens(model)


_LIBRARIES: MappingProxyType[Library, Callable[[EncoderFacts, Path], nn.Module]] = MappingProxyType(
    {"timm": _timm, "transformers": _transformers}
)


def _refuse_code(facts: EncoderFacts, folder: Path) -> None:
    try:
        config: Any = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise BundleError(facts.name, f"{folder / 'config.json'} cannot be read: {_first_line(error)}.") from error
    if not isinstance(config, dict) or config.get("auto_map"):
        raise BundleError(
            facts.name, f"{facts.name} needs Python code of its own (auto_map), which this program never runs."
        )


def _tensors(facts: EncoderFacts, path: Path) -> dict[str, Tensor]:
    """What is in a file of weights; a pickled one is read without running anything, after its digest was compared."""
    try:
        if path.suffix == SAFE:
            return dict(load_file(path))
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise BundleError(
            facts.name, f"The weights of {facts.name} cannot be read from {path}: {_first_line(error)}."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise BundleError(facts.name, f"{path} holds something else than the weights of {facts.name}.")
    return dict(state)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")
