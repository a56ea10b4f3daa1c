"""What a machine has found out or made once, kept in the person's cache folder.

Two processes may find out the same at once: what is whole first is what counts, and both go on with it. What was
damaged is found out or made again. Where nothing can be written, nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from platformdirs import user_cache_path
from pydantic import BaseModel, ValidationError

from napari_mmlnb.digest import file_sha256

_SUMS = "sums.json"
_UNUSED_DAYS = 90

Fact = TypeVar("Fact", bound=BaseModel)


def kept_folder(kind: str) -> Path:
    """Where things of a kind are kept; a kind may stand below another one, as in "runtimes/choices"."""
    return user_cache_path("napari-mmlnb", appauthor=False) / kind


def key_of(facts: Mapping[str, object]) -> str:
    """A name for whatever depends on these facts and no others: 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def recall(kind: str, key: str, model: type[Fact]) -> Fact | None:
    """What was found out before; None if nothing was, or if its file is damaged."""
    try:
        return model.model_validate_json((kept_folder(kind) / f"{key}.json").read_bytes())
    except (OSError, ValidationError):
        return None


def remember(kind: str, key: str, fact: Fact) -> Fact:
    """Keep what was found out.

    Returns
    -------
    Fact
        What counts from now on: what another process was first to keep, or else `fact`.
    """
    path = kept_folder(kind) / f"{key}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as file:
            file.write(fact.model_dump_json(indent=1))
        fresh = Path(file.name)
        try:
            os.link(fresh, path)
        except OSError:  # it is there, or this file system has no links
            first = recall(kind, key, type(fact))
            if first is not None:
                return first
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError:
        return fact
    return fact


def kept_files(kind: str, key: str) -> Path | None:
    """The folder that `made_once` has left, every file of it as it was written; None where there is none."""
    folder = kept_folder(kind) / key
    if not _whole(folder):
        return None
    _touch(folder)
    return folder


def made_once(kind: str, key: str, make: Callable[[Path], None]) -> Path | None:
    """A folder of files that are costly to make.

    Parameters
    ----------
    kind, key : str
        Which.
    make : callable
        Writes the files into an empty folder that it is given.

    Returns
    -------
    Path or None
        The folder, every file of it as it was written; None where nothing can be kept.
    """
    kept = kept_files(kind, key)
    if kept is not None:
        return kept
    folder = kept_folder(kind) / key
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
    except OSError:
        return None
    try:
        make(fresh)
        sums = {file.name: file_sha256(file) for file in sorted(fresh.iterdir())}
        (fresh / _SUMS).write_text(json.dumps(sums), encoding="utf-8")
        _put(fresh, folder)
    except OSError:
        return None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder if _whole(folder) else None


def _put(fresh: Path, folder: Path) -> None:
    try:
        fresh.rename(folder)
    except OSError:
        if _whole(folder):  # another process was faster
            return
        damaged = fresh.with_name(f"{fresh.name}-damaged")
        folder.rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)
        fresh.rename(folder)


def _whole(folder: Path) -> bool:
    try:
        sums = json.loads((folder / _SUMS).read_text(encoding="utf-8"))
        return bool(sums) and all(file_sha256(folder / name) == digest for name, digest in sums.items())
    except (OSError, ValueError, AttributeError):
        return False


def _touch(folder: Path) -> None:
    try:
        os.utime(folder)
    except OSError:
        return


def _sweep(parent: Path) -> None:
    """Remove what nobody has used for long: an older version's, or half made by a process that was killed."""
    oldest = time.time() - _UNUSED_DAYS * 86400
    for folder in parent.iterdir():
        try:
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
