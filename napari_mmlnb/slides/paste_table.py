"""Which part of which stored tile goes where in a batch of grid tiles, worked out for the whole batch at once.

A batch is made of hundreds of such parts. Found one by one in Python they would hold up the threads that decode, which
wait for the same interpreter.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Piece:
    """The part of a grid tile, along one axis, that one stored tile gives.

    Parameters
    ----------
    stored : int
        Row or column of the stored tile.
    to : slice
        Pixels of the window.
    of : slice
        Pixels of the (reduced) stored tile.
    """

    stored: int
    to: slice
    of: slice


class AxisPieces:
    """The pieces of all rows (or columns) of a grid.

    Parameters
    ----------
    pieces : mapping
        Grid row (or column) to its pieces, in order.
    window_px : int
        Extent of the window along the axis.
    """

    def __init__(self, pieces: Mapping[int, tuple[Piece, ...]], window_px: int) -> None:
        self._pieces = pieces
        self._known = np.array(sorted(pieces), dtype=np.int64)
        most = max(map(len, pieces.values()), default=0)
        self._count = np.array([len(pieces[index]) for index in self._known.tolist()], dtype=np.int64)
        self._parts = np.zeros((len(self._known), most, 5), dtype=np.int64)
        self._fills = np.zeros(len(self._known), dtype=np.bool_)
        for at, index in enumerate(self._known.tolist()):
            for nth, piece in enumerate(pieces[index]):
                self._parts[at, nth] = piece.stored, piece.to.start, piece.to.stop, piece.of.start, piece.of.stop
            ends = pieces[index]
            self._fills[at] = bool(ends) and ends[0].to.start == 0 and ends[-1].to.stop == window_px

    def __getitem__(self, index: int) -> tuple[Piece, ...]:
        """The pieces of a grid row (or column)."""
        return self._pieces[index]

    def fills(self, indices: Integers) -> npt.NDArray[np.bool_]:
        """Whether the pieces of each grid row (or column) fill its window, so that nothing lies beyond the level."""
        filled: npt.NDArray[np.bool_] = self._fills[self._at(indices)]
        return filled

    def spans(self, indices: Integers) -> tuple[Integers, Integers]:
        """First and one past the last stored tile for each grid row (or column); an empty span for none."""
        at = self._at(indices)
        if not self._parts.shape[1]:
            return np.zeros_like(at), np.zeros_like(at)
        first = self._parts[at, 0, 0]
        return first, first + self._count[at]

    def parts(self, indices: Integers) -> tuple[Integers, npt.NDArray[np.bool_]]:
        """For each grid row (or column) its pieces: stored, to start, to stop, of start, of stop; and which are any.

        Returns
        -------
        parts : ndarray
            (n, most, 5) int64.
        used : ndarray
            (n, most) bool.
        """
        at = self._at(indices)
        return self._parts[at], np.arange(self._parts.shape[1]) < self._count[at][:, None]

    def _at(self, indices: Integers) -> Integers:
        return np.searchsorted(self._known, indices)


@dataclass(frozen=True)
class PasteTable:
    """What is copied from the stored tiles to the windows of a batch.

    Parameters
    ----------
    stored : ndarray
        (n, 2) int64; row and column of each stored tile that is needed, in the order of the file.
    first : ndarray
        (n + 1,) int64; the pastes of the nth stored tile are those from ``first[n]`` to ``first[n + 1]``.
    pastes : ndarray
        (m, 9) int64; slot in the batch, then start and stop: rows and columns of the window, rows and columns of the
        stored tile.
    """

    stored: Integers
    first: Integers
    pastes: Integers

    @classmethod
    def of_batches(cls, rows: AxisPieces, columns: AxisPieces, cells: Integers, batch: int) -> list[PasteTable]:
        """One for each `batch` grid tiles of `cells`, (n, 2) grid rows and columns."""
        row_parts, row_used = rows.parts(cells[:, 0])
        column_parts, column_used = columns.parts(cells[:, 1])
        nth, nth_row, nth_column = np.nonzero(row_used[:, :, None] & column_used[:, None, :])
        of_rows, of_columns = row_parts[nth, nth_row], column_parts[nth, nth_column]
        order = np.lexsort((nth, of_columns[:, 0], of_rows[:, 0], nth // batch))
        nth, of_rows, of_columns = nth[order], of_rows[order], of_columns[order]
        of_batch = nth // batch
        keys = np.stack([of_batch, of_rows[:, 0], of_columns[:, 0]], axis=1)
        new = np.ones(len(keys), dtype=np.bool_)
        new[1:] = (keys[1:] != keys[:-1]).any(axis=1)
        first = np.append(np.flatnonzero(new), len(keys))
        pastes = np.column_stack([nth % batch, of_rows[:, 1:3], of_columns[:, 1:3], of_rows[:, 3:], of_columns[:, 3:]])
        stored = keys[new]
        ends = np.searchsorted(stored[:, 0], np.arange(-(-len(cells) // batch) + 1))
        return [
            cls(stored[a:b, 1:], first[a : b + 1] - first[a], pastes[first[a] : first[b]])
            for a, b in itertools.pairwise(ends.tolist())
        ]
