"""Whether a slide's file is still the one that was opened.

A file that is copied over, cut or still being written while it is open gives tiles of two slides, or of none, and no
decoder can tell. Its size and the time of its last change can, at the cost of one system call.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from napari_mmlnb.errors import TileReadError
from napari_mmlnb.slides.location import Location

_CHANGED = "The slide's file was changed or removed after it was opened."


class FileState(NamedTuple):
    """What changes when a file does; compared after every read, so a plain tuple.

    Parameters
    ----------
    inode, size : int
        As the system says; the size in bytes.
    modified_ns : int
        Time of the last change.
    """

    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, file: Path | int) -> FileState | None:
        """Of a path or an open descriptor; None where there is no file."""
        try:
            said = os.stat(file)  # noqa: PTH116 (of a descriptor too)
        except OSError:
            return None
        return cls(said.st_ino, said.st_size, said.st_mtime_ns) if stat.S_ISREG(said.st_mode) else None


class WatchedFiles:
    """Files that must stay as they are.

    Parameters
    ----------
    location : Path or RemoteUrl
        The slide, for the error.
    files : iterable of Path or int
        Paths or open descriptors.
    """

    def __init__(self, location: Location, files: Iterable[Path | int]) -> None:
        self._location = location
        self._states = {file: FileState.of(file) for file in files}

    def check(self) -> None:
        """See whether they have.

        Raises
        ------
        TileReadError
            If one was changed, replaced or removed.
        """
        for file, state in self._states.items():
            if not _is_still(file, state):
                raise TileReadError(self._location, _CHANGED, "Open it again.")


def _is_still(file: Path | int, state: FileState | None) -> bool:
    """Whether a file is in that state; asked after every read, so nothing is made of what the system says."""
    if state is None:
        return FileState.of(file) is None
    try:
        said = os.stat(file)  # noqa: PTH116 (of a descriptor too)
    except OSError:
        return False
    return (said.st_ino, said.st_size, said.st_mtime_ns) == state
