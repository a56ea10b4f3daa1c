"""Images that are in a table twice under other names: one of the two might be learned and the other reported."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.csv_table import Row

_THREADS = 4


def refuse_doubles(rows: Sequence[Row], paths: Sequence[Path], table: Path) -> None:
    """Refuse a table two of whose rows name the same file, or files with the same content.

    Only files of the same size are read.

    Parameters
    ----------
    rows : sequence of Row
        With a column `file_name`.
    paths : sequence of Path
        (n,) where the files are; all of them are there.
    table : Path
        For messages.

    Raises
    ------
    RequestError
        With how many, and the first two by line and name; or if a file cannot be read.
    """
    first: dict[object, Row] = {}
    again: list[tuple[Row, Row, str]] = []
    for row, path, content in zip(rows, paths, _contents(paths), strict=True):
        place = path.resolve()
        for key, how in ((place, "is the file"), (content, "has the content")):
            other = first.setdefault(key, row)
            if other is not row:
                again.append((row, other, how))
                break
    if again:
        row, other, how = again[0]
        raise RequestError(
            f"{len(again)} of {len(rows)} rows of {table.name} name an image that another row names too: line "
            f"{row.line} ({row['file_name']}) {how} of line {other.line} ({other['file_name']}).",
            "Leave one of the two: else the same image could be learned and reported.",
        )


def _contents(paths: Sequence[Path]) -> list[object]:
    """Something equal for files of equal content, and for no others."""
    try:
        sizes = [path.stat().st_size for path in paths]
        times = Counter(sizes)
        with ThreadPoolExecutor(_THREADS) as pool:
            digests = pool.map(_digest, [path for path, size in zip(paths, sizes, strict=True) if times[size] > 1])
            return [(size, next(digests)) if times[size] > 1 else (size, "") for size in sizes]
    except OSError as error:
        name = Path(error.filename).name if error.filename else "an image"
        raise RequestError(f"{name} cannot be read: {error.strerror}.", "May this user read it?") from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
