"""Digests of files: how an output, a bundle and a package's weights are known again."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's content.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def kept_sha256(path: Path) -> str:
    """`file_sha256`, not computed again by this process while the file's size and time of change stay as they are.

    For weights of many gigabytes, which take half a minute and more.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    real = path.resolve()
    state = real.stat()
    return _kept(real, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=256)
def _kept(path: Path, size: int, changed_ns: int) -> str:  # noqa: ARG001 - part of the key
    return file_sha256(path)
