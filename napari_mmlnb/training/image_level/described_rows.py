"""Descriptions as they are made, kept row by row beside the table that they are for: what was stopped goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from napari_mmlnb.errors import OutputError

SUFFIX = ".partial"
_KIND = "descriptions by mmlnb describe"


@dataclass(frozen=True)
class DescribedRow:
    """What was said of one image.

    Parameters
    ----------
    text : str
        Empty where nothing was said that could be kept.
    faults : tuple of str
        Why words were left out.
    """

    text: str
    faults: tuple[str, ...]


def partial_file(out: Path) -> Path:
    """Where the rows of a table are kept until all are there."""
    return out.with_name(out.name + SUFFIX)


class DescribedRows:
    """A file of rows, the first line of which says of what: another describer, table or setting never goes on from it.

    Parameters
    ----------
    path : Path
        As `partial_file`.
    digest : str
        Of all that the descriptions depend on.

    Raises
    ------
    OutputError
        If a file is there that is not of this describing, or none can be written.
    """

    def __init__(self, path: Path, digest: str) -> None:
        self.path = path
        head = json.dumps({"kind": _KIND, "digest": digest}) + "\n"
        try:
            there = path.read_bytes() if path.exists() else b""
            whole = there[: there.rfind(b"\n") + 1]  # a line may have been torn off
            lines = whole.decode("utf-8", "replace").splitlines(keepends=True)
            if there and lines[:1] != [head]:
                raise OutputError(
                    path, "it is there, and not of this table, describer and settings; delete it to begin anew"
                )
            self.kept = [_row(line, path) for line in lines[1:]]
            self._file: IO[bytes] = path.open("r+b" if there else "xb")
            self._file.truncate(len(whole))
            self._file.seek(len(whole))
            if not there:
                self._file.write(head.encode())
                self._file.flush()
        except OSError as error:
            raise OutputError(path, error.strerror or "it cannot be written") from error

    def append(self, row: DescribedRow) -> None:
        """Keep one more, on the disk at once."""
        self.kept.append(row)
        self._file.write((json.dumps({"text": row.text, "faults": row.faults}) + "\n").encode())
        self._file.flush()

    def close(self) -> None:
        """Close the file; what is in it stays."""
        self._file.close()


def _row(line: str, path: Path) -> DescribedRow:
    try:
        content = json.loads(line)
        return DescribedRow(content["text"], tuple(content["faults"]))
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(path, "it is there, and damaged; delete it to begin anew") from error


def folder_state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of a folder's files: a model that was trained anew in its place is another one."""
    files: Sequence[Path] = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple((path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
