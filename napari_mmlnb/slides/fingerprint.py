"""A digest that identifies a slide by its content, wherever it lies and whatever it is called.

A file of up to 64 MB is hashed whole: ``sha256:<hex>``. Of a larger one the size, the first and the last 8 MB (where
the directories of the common formats lie) and 64 blocks of 64 kB at even distances between are hashed, which takes a
fraction of a second for any size: ``sha256-sampled:<hex>``. It tells slides apart surely; a change of a few bytes
between the blocks of a large file it does not see. A slide of several files (a DICOM folder, MRXS, VMS) is the hash
over the sorted digests of its files, and sampled if one of them is; names do not count, nor do files of other DICOM
series in the same folder.

A slide at a URL has the digest that a copy of it on this machine has: at most 64 MB are fetched for it, 20 MB of a
large one. What a server says of its version (ETag) is no part of it, since the same content bears another one
elsewhere; it is compared while the slide is read instead. Of an OME-Zarr the documents and chunks at even distances
are hashed, 64 of the finest level and 8 of each other; a folder, a zip file and a URL give the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from napari_mmlnb.errors import SlideReadError
from napari_mmlnb.slides.backends.dicom_series import holds_dicom, series_files
from napari_mmlnb.slides.backends.ome_zarr import OmeZarrBackend
from napari_mmlnb.slides.location import Location, RemoteUrl

_WHOLE = 64 * 2**20
_END = 8 * 2**20
_BLOCK = 64 * 2**10
_BLOCKS = 64
_PIECE = 2**20

_COMPANIONS = re.compile(r"^(?:ImageFile|MapFile|OptimisationFile|MacroImage)[^=\n]*=[ \t]*([^\r\n]+?)[ \t]*$", re.M)
_LONGEST_INDEX = 2**20


Read = Callable[[int, int], bytes]
"""Offset and count to bytes."""


def fingerprint(location: Location, backend: str | None = None) -> str:
    """Digest of the slide at `location`: a file, a folder of DICOM instances, an OME-Zarr, or any of them at a URL.

    Parameters
    ----------
    location : Path or RemoteUrl
        The slide.
    backend : str, optional
        What opened it, where that is known.

    Raises
    ------
    SlideReadError
        If it cannot be read.
    """
    try:
        digests = _digests(location, backend)
    except OSError as error:
        raise SlideReadError(location, f"{location} cannot be read: {error.strerror}.") from error
    if not digests:
        raise SlideReadError(location, f"{location} is empty.")
    sampled = any(kind == "sha256-sampled" for kind, _ in digests)
    kind = "sha256-sampled" if sampled else "sha256"
    if len(digests) == 1:
        return f"{kind}:{digests[0][1]}"
    total = hashlib.sha256()
    for _, digest in sorted(digests, key=lambda pair: pair[1]):
        total.update(bytes.fromhex(digest))
    return f"{kind}:{total.hexdigest()}"


def _digests(location: Location, backend: str | None) -> list[tuple[str, str]]:
    """Kind and hex digits for each part of the slide."""
    zarr = OmeZarrBackend()
    if backend == zarr.name or (backend is None and zarr.suits(location)):
        from napari_mmlnb.slides.backends.ome_zarr_digest import ome_zarr_digest  # noqa: PLC0415 (zarr takes a second)

        return [ome_zarr_digest(location)]
    if isinstance(location, RemoteUrl):
        return [_remote_digest(location)]
    return [_file_digest(member) for member in _members(location)]


def _members(path: Path) -> list[Path]:
    """The files that make up the slide. One DICOM instance stands for its series."""
    series = series_files(path) if holds_dicom(path) else ()
    if series:
        return list(series)
    if path.is_dir():
        return [file for file in path.glob("*.dcm") if file.is_file()]
    if path.suffix.lower() == ".dcm":
        return [file for file in path.parent.glob(f"*{path.suffix}") if file.is_file()]
    companion = path.with_suffix("")
    if path.suffix.lower() == ".mrxs" and companion.is_dir():
        return [path, *(file for file in companion.rglob("*") if file.is_file())]
    if path.suffix.lower() in (".vms", ".vmu"):
        return [path, *_named_in(path)]
    return [path]


def _named_in(index: Path) -> list[Path]:
    """The files beside a Hamamatsu index that it names, one a line: ``ImageFile(0,0)=name.jpg``."""
    names = _COMPANIONS.findall(index.read_text(encoding="latin-1")[:_LONGEST_INDEX])
    plain = (name for name in dict.fromkeys(names) if not {"/", "\\"} & set(name))
    return [index.with_name(name) for name in plain if index.with_name(name).is_file()]


def _file_digest(path: Path) -> tuple[str, str]:
    with path.open("rb") as file:

        def read(offset: int, count: int) -> bytes:
            file.seek(offset)
            return file.read(count)

        return _digest(path.stat().st_size, read)


def _remote_digest(url: RemoteUrl) -> tuple[str, str]:
    from napari_mmlnb.slides.backends.remote_bytes import RemoteBytes  # noqa: PLC0415 (aiohttp: only for remote ones)

    source = RemoteBytes(url)
    try:
        with source.opening(limited=False):
            return _digest(source.size, source.read)
    finally:
        source.close()


def _digest(size: int, read: Read) -> tuple[str, str]:
    if size <= _WHOLE:
        digest = hashlib.sha256()
        for start in range(0, size, _PIECE):
            digest.update(read(start, min(_PIECE, size - start)))
        return "sha256", digest.hexdigest()
    digest = hashlib.sha256(str(size).encode())
    digest.update(read(0, _END))
    step = (size - 2 * _END - _BLOCK) / (_BLOCKS - 1)
    for index in range(_BLOCKS):
        digest.update(read(_END + round(index * step), _BLOCK))
    digest.update(read(size - _END, _END))
    return "sha256-sampled", digest.hexdigest()
