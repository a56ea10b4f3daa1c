"""The describing model in a bundle's folder `describer/`: the files that `bundle.yaml` names, and no others."""

from __future__ import annotations

from pathlib import Path

from napari_mmlnb.bundles.spec import DESCRIBER_FOLDER, BundleSpec
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import BundleError


def describer_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a bundle's describing model, by its name in the folder.

    Parameters
    ----------
    folder : Path
        Of the bundle.
    """
    root = folder / DESCRIBER_FOLDER
    return {path.relative_to(root).as_posix(): file_sha256(path) for path in _files(root)}


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
