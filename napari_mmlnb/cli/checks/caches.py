"""The folders in which the program keeps what it need not compute or fetch again."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_cache_path

from napari_mmlnb.cli.checks.finding import Check, Fact, Finding, State
from napari_mmlnb.inference.feature_cache import RESERVE_BYTES, cache_folder

_ROOM = "Make room on the disk, or set XDG_CACHE_HOME to a folder that has some."
_RIGHT = "Allow yourself to write there, or set XDG_CACHE_HOME to a folder that you may write to."


def _examine() -> Iterator[Finding]:
    yield look_at("feature cache", cache_folder())
    yield look_at("encoder cache", user_cache_path("napari-mmlnb", appauthor=False) / "hub")


def look_at(name: str, folder: Path) -> Finding:
    """A cache folder: where, how large, whether it can be written, and how much room the disk has."""
    size, why = folder_bytes(folder), not_writable(folder)
    nearest = _nearest(folder)
    free = shutil.disk_usage(nearest).free
    facts: dict[str, Fact] = {"folder": str(folder), "bytes": size, "free_bytes": free, "writable": not why}
    text = f"{folder}: {_told(size)}, {_told(free)} free on its disk"
    if why:
        text = f"{text}; it cannot be written ({why}), so nothing is kept between runs"
        return Finding(name, State.WARNING, text, _RIGHT, facts)
    if free < 2 * RESERVE_BYTES:
        return Finding(name, State.WARNING, f"{text}; the disk is nearly full", _ROOM, facts)
    return Finding(name, State.OK, text, facts=facts)


def folder_bytes(folder: Path) -> int:
    """What the files in a folder take; those that vanish meanwhile take nothing."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:
            continue
    return total


def not_writable(folder: Path) -> str:
    """Why nothing can be written into a folder; empty where it can. What was made to find out is removed."""
    nearest = _nearest(folder)
    probe = nearest / f".mmlnb-{uuid.uuid4().hex}"
    try:
        probe.write_bytes(b"\0" * 4096)
    except OSError as error:
        return (error.strerror or type(error).__name__).lower()
    finally:
        _remove(probe)
    return ""


def _remove(probe: Path) -> None:
    try:
        probe.unlink(missing_ok=True)
    except OSError:
        return


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder


def _told(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


CHECK = Check("caches", "Looking at the caches", _examine)
