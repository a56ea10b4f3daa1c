"""The describing model in a bundle's folder `describer/`: the files that `bundle.yaml` names, and no others."""

from __future__ import annotations

import shutil
from pathlib import Path

from napari_mmlnb.bundles.spec import DESCRIBER_FOLDER, BundleSpec, DescribingSpec, read_spec, write_spec
from napari_mmlnb.bundles.weights_file import share_as_folder
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import BundleError, OutputError

_KINDS = (".safetensors", ".json", ".jinja", ".md", ".txt")


def describer_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a bundle's describing model, by its name in the folder.

    Parameters
    ----------
    folder : Path
        Of the bundle.
    """
    root = folder / DESCRIBER_FOLDER
    return {path.relative_to(root).as_posix(): file_sha256(path) for path in _files(root)}


def attach_describer(bundle: Path, describer: Path, describing: DescribingSpec) -> None:
    """Give a bundle a describing model of its own, in place of the one that it has.

    Its class does not depend on it: what was trained and calibrated stays as it is.

    Parameters
    ----------
    bundle : Path
        Folder of the bundle.
    describer : Path
        A folder that transformers' stock auto classes load.
    describing : DescribingSpec
        Name, licence, prompt and settings; the digests are made here.

    Raises
    ------
    BundleError
        If one of the folders is not what it should be, or holds what no bundle may: pickled weights, or code.
    OutputError
        If the bundle cannot be written.
    """
    spec = read_spec(bundle)
    copy_describer(spec.name, bundle, describer)
    digests = describing.model_copy(update={"files": describer_digests(bundle)})
    try:
        write_spec(spec.model_copy(update={"describing": digests}), bundle)
    except OSError as error:
        raise OutputError(bundle, error.strerror or "it cannot be written") from error


def fitting_files(name: str, describer: Path) -> list[Path]:
    """The files of a describing model that may become part of a bundle.

    Parameters
    ----------
    name : str
        Of the bundle, for messages.
    describer : Path
        Folder of the model.

    Raises
    ------
    BundleError
        If it holds no model in one safetensors file, or what no bundle may: pickled weights, or code.
    """
    files = _files(describer)
    if not {"config.json", "model.safetensors"} <= {path.name for path in files}:
        raise BundleError(name, f"{describer} holds no describing model: config.json or model.safetensors is missing.")
    foreign = [path.name for path in files if path.suffix not in _KINDS]
    if foreign:
        raise BundleError(
            name,
            f"{foreign[0]} in {describer} has no place in a bundle.",
            f"It may hold {', '.join(_KINDS)} files.",
        )
    return files


def copy_describer(name: str, bundle: Path, describer: Path) -> None:
    """Put the files of a describing model into a bundle's folder; `bundle.yaml` is not touched.

    Parameters
    ----------
    name : str
        Of the bundle, for messages.
    bundle, describer : Path
        Folders.

    Raises
    ------
    BundleError, OutputError
        As `attach_describer`.
    """
    files = fitting_files(name, describer)
    root, made = bundle / DESCRIBER_FOLDER, bundle / f"{DESCRIBER_FOLDER}.partial"
    try:
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        for path in files:
            target = made / path.relative_to(describer)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            share_as_folder(target)
        shutil.rmtree(root, ignore_errors=True)
        made.replace(root)
    except OSError as error:
        raise OutputError(bundle, error.strerror or "it cannot be written") from error


def check_describer(folder: Path, spec: BundleSpec) -> None:
    """Compare the describing model with what `bundle.yaml` says of it; nothing to do where it says nothing.

    Raises
    ------
    BundleError
        If a file is missing, altered, or not named: a file more may change how a model is loaded.
    """
    if spec.describing is None:
        return
    root = folder / DESCRIBER_FOLDER
    named, found = spec.describing.files, {path.relative_to(root).as_posix(): path for path in _files(root)}
    for name in named:
        if name not in found:
            raise BundleError(
                spec.name,
                f"The bundle {spec.name} is incomplete: {DESCRIBER_FOLDER}/{name} is missing.",
                "Fetch it again.",
            )
    for name, path in found.items():
        if name not in named or file_sha256(path) != named[name]:
            raise BundleError(
                spec.name,
                f"The bundle {spec.name} was altered: {DESCRIBER_FOLDER}/{name} is not a file that bundle.yaml names.",
                "Fetch it again.",
            )


def _files(root: Path) -> list[Path]:
    """All files below a folder but hidden ones, which no loader reads."""
    if not root.is_dir():
        return []
    return sorted(
        path
        for path in root.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
