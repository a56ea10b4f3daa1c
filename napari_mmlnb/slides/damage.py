"""Which stored tiles of a slide could not be decoded."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class DamagedTile:
    """A stored tile that cannot be decoded.

    Parameters
    ----------
    level, row, column : int
        Of the file.
    """

    level: int
    row: int
    column: int


class DamageLog:
    """The damaged tiles met so far; safe from several threads. A tile that nobody asked for is not in it."""

    def __init__(self) -> None:
        self._tiles: set[DamagedTile] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._tiles)

    @property
    def tiles(self) -> tuple[DamagedTile, ...]:
        """All of them, by level, row and column."""
        with self._lock:
            return tuple(sorted(self._tiles))

    def touches(self, level: int, rows: range, columns: range) -> bool:
        """Whether any of these tiles of a level is damaged."""
        with self._lock:
            return any(tile.level == level and tile.row in rows and tile.column in columns for tile in self._tiles)

    def add(self, level: int, row: int, column: int) -> None:
        """Note a tile; noting it again changes nothing."""
        with self._lock:
            self._tiles.add(DamagedTile(level, row, column))
