"""The describing model in a bundle's folder `describer/`: the files that `bundle.yaml` names, and no others."""

from __future__ import annotations

import shutil
from pathlib import Path

from napari_mmlnb.bundles.spec import DESCRIBER_FOLDER, BundleSpec, DescribingSpec, read_spec, write_spec
from napari_mmlnb.bundles.weights_file import share_as_folder
from napari_mmlnb.describe.describing_facts import read_facts
from napari_mmlnb.describe.prompt import DEFAULT_PROMPT, Generation
from napari_mmlnb.describe.vlm_folder import is_adapter
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import BundleError, OutputError, RequestError

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


def describing_of(
    describer: Path, name: str, licence: str = "", prompt: str = "", generation: Generation | None = None
) -> DescribingSpec:
    """What a bundle is to say of a describing model: what is given, else what stands beside it in `describing.json`.

    Parameters
    ----------
    describer : Path
        Folder of the model.
    name : str
        What it is to be called.
    licence, prompt : str
        Empty where they are to be read; a model that says nothing is asked as the program asks.
    generation : Generation, optional
        None where it is to be read; else the paper's.

    Raises
    ------
    RequestError
        If nobody says the licence.
    DescriberError
        If `describing.json` cannot be read.
    """
    facts = read_facts(name, describer)
    licence = licence or (facts.stated_licence if facts is not None else "")
    if not licence:
        raise RequestError(f"Nothing beside {name} says under which licence it stands.", "Give it with --licence.")
    taught = facts.generation if facts is not None else None
    return DescribingSpec(
        name=name,
        licence=licence,
        prompt=prompt or (facts.prompt if facts is not None else DEFAULT_PROMPT),
        generation=generation or taught or Generation(),
        files={},
    )


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
        If it holds an adapter, no model in one safetensors file, or what no bundle may: pickled weights, or code.
    """
    if is_adapter(describer):
        raise BundleError(
            name,
            f"{describer} holds an adapter; a bundle needs the whole model.",
            "Set keep: both in the configuration of mmlnb finetune-vlm and run the same command again: nothing is "
            "learned anew, merged/ is written beside adapter/. Or describe with the adapter: --describer DIR.",
        )
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
