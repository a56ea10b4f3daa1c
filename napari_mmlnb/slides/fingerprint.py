"""A digest that identifies a slide by its content, wherever it lies and whatever it is called.

A file of up to 64 MB is hashed whole: ``sha256:<hex>``. Of a larger one the size, the first and the last 8 MB (where
the directories of the common formats lie) and 64 blocks of 64 kB at even distances between are hashed, which takes a
fraction of a second for any size: ``sha256-sampled:<hex>``. It tells slides apart surely; a change of a few bytes
between the blocks of a large file it does not see. A slide of several files (a DICOM folder, MRXS) is the hash over the
sorted digests of its files, and sampled if one of them is; names do not count.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from napari_mmlnb.errors import SlideReadError

_WHOLE = 64 * 2**20
_END = 8 * 2**20
_BLOCK = 64 * 2**10
_BLOCKS = 64


def fingerprint(path: Path) -> str:
    """Digest of the slide at `path`, a file or a folder of DICOM instances.

    Raises
    ------
    SlideReadError
        If it cannot be read.
    """
    try:
        digests = [_file_digest(member) for member in _members(path)]
    except OSError as error:
        raise SlideReadError(path, f"{path} cannot be read: {error.strerror}.") from error
    if not digests:
        raise SlideReadError(path, f"{path} is empty.")
    sampled = any(kind == "sha256-sampled" for kind, _ in digests)
    kind = "sha256-sampled" if sampled else "sha256"
    if len(digests) == 1:
        return f"{kind}:{digests[0][1]}"
    total = hashlib.sha256()
    for _, digest in sorted(digests, key=lambda pair: pair[1]):
        total.update(bytes.fromhex(digest))
    return f"{kind}:{total.hexdigest()}"


def _members(path: Path) -> list[Path]:
    """The files that make up the slide. One DICOM instance stands for its folder, since OpenSlide reads them all."""
    if path.is_dir():
        return [file for file in path.glob("*.dcm") if file.is_file()]
    if path.suffix.lower() == ".dcm":
        return [file for file in path.parent.glob(f"*{path.suffix}") if file.is_file()]
    companion = path.with_suffix("")
    if path.suffix.lower() == ".mrxs" and companion.is_dir():
        return [path, *(file for file in companion.rglob("*") if file.is_file())]
    return [path]


def _file_digest(path: Path) -> tuple[str, str]:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _WHOLE:
            return "sha256", hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(str(size).encode())
        digest.update(file.read(_END))
        step = (size - 2 * _END - _BLOCK) / (_BLOCKS - 1)
        for index in range(_BLOCKS):
            file.seek(_END + round(index * step))
            digest.update(file.read(_BLOCK))
        file.seek(size - _END)
        digest.update(file.read(_END))
    return "sha256-sampled", digest.hexdigest()
