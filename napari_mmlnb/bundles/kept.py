"""The bundle that was used last, kept in memory: the next run with it does not read and check its files again."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mmlnb.bundles.registry import bundle_folder

if TYPE_CHECKING:
    from napari_mmlnb.bundles.bundle import Bundle

Stamps = tuple[tuple[str, int, int], ...]

_ONE_AT_A_TIME = threading.Lock()


def kept_bundle(name_or_folder: str | Path) -> Bundle:
    """`load_bundle`, kept until another one is asked for, or a file of the folder has changed.

    Raises
    ------
    UnknownNameError, BundleError
        As `load_bundle`.
    """
    folder = bundle_folder(name_or_folder)
    # A run that begins while the bundle is being prepared waits for it instead of loading it a second time.
    with _ONE_AT_A_TIME:
        return _read(folder, _stamps(folder))


def _stamps(folder: Path) -> Stamps:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return tuple((str(file.relative_to(folder)), file.stat().st_mtime_ns, file.stat().st_size) for file in files)


@lru_cache(maxsize=1)
def _read(folder: Path, stamps: Stamps) -> Bundle:  # noqa: ARG001 - part of the key
    from napari_mmlnb.bundles.bundle import read_bundle  # noqa: PLC0415 - torch

    return read_bundle(folder)
