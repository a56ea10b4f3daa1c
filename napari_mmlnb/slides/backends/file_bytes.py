"""Bytes of a file at a position, from several threads."""

from __future__ import annotations

import os
import threading
from io import FileIO
from pathlib import Path
from typing import Protocol

from napari_mmlnb.errors import SlideReadError, TileReadError
from napari_mmlnb.slides.backends.file_state import WatchedFiles

LARGEST_READ = 2**30
"""More bytes than this is no tile, but a damaged table."""


class BytesSource(Protocol):
    """Where the bytes of stored tiles come from; safe from several threads."""

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes from `offset`.

        Raises
        ------
        TileReadError
            If they are not there or cannot be read.
        SlideReadError
            If it has been closed.
        """
        ...

    def close(self) -> None:
        """Let go of it. Safe to call twice."""
        ...


class _File(FileIO):
    """Closed when the last read lets go of it, without Python's warning, which would name the file."""

    def __del__(self) -> None:
        self.close()


class FileBytes:
    """A file read at positions. No lock where the system has `pread`; one around seek and read elsewhere.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    SlideReadError
        If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._file: FileIO | None = _File(path)
        except OSError as error:
            raise SlideReadError(path, f"{path} cannot be opened: {error.strerror}.") from error
        self._watched = WatchedFiles(path, [self._file.fileno()])

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes from `offset`.

        Raises
        ------
        TileReadError
            If the file ends before that, cannot be read, or was changed since it was opened.
        SlideReadError
            If it has been closed.
        """
        file = self._file
        if file is None:
            raise SlideReadError(self._path, "The slide is closed.", "Open it again.")
        try:
            data = self._read(file, offset, count)
        except (OSError, ValueError, OverflowError) as error:
            raise TileReadError(self._path, "A tile of the slide cannot be read from the file.") from error
        self._watched.check()
        if len(data) != count:
            raise TileReadError(self._path, "The slide's file ends before one of its tiles.")
        return data

    def close(self) -> None:
        """Let go of the file, which is closed once the last read under way has ended."""
        self._file = None

    def _read(self, file: FileIO, offset: int, count: int) -> bytes:
        if not 0 <= count <= LARGEST_READ:
            raise ValueError(f"{count} bytes is not the size of a tile")
        pread = getattr(os, "pread", None)
        if pread is not None:
            data: bytes = pread(file.fileno(), count, offset)
            return data
        with self._lock:
            file.seek(offset)
            return file.read(count) or b""
