"""Features of a slide's tiles, kept between runs.

A folder for each slide, grid, encoder and version of the code (`feature_key`); in it a segment for each run that
computed something: a zarr group with the cells and the features of its tiles, in the order in which they came. A run
writes to a segment of its own only, so any number of them may work on the same slide; it reads what all have left.

A segment is made once, at its full size, and filled chunk by chunk: first the features, then the cells, which makes the
chunk count; a chunk that fills slowly is written before it is full, and then again. A process that is killed loses its
last chunk at most. Every chunk carries a checksum; what does not match it, or
is not there, was never computed. What cannot be written (no room, no right) is not kept, and the run goes on.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_path

from napari_mmlnb.inference.encoding import EncodedBatch, FeatureArray
from napari_mmlnb.slides.tile_grid import TileGrid

if TYPE_CHECKING:
    import zarr

CHUNK_TILES = 128
"""What a killed process loses at most; a whole number of the usual batches."""
SECONDS_UNWRITTEN = 2.0
"""How long features may wait for their chunk to fill; with a slow encoder that takes minutes."""
SLAB_TILES = 32 * CHUNK_TILES
"""What is read at a time."""
RESERVE_BYTES = 2**30
"""What is left free on the disk, for the results: features can be computed again."""
_FORMAT = 1
_FLOAT_BYTES = 4
_USED = "used"
_EMPTY = -1

Cells = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]


def cache_folder() -> Path:
    """Where features are kept: in the person's cache folder, never beside results."""
    return user_cache_path("napari-mmlnb", appauthor=False) / "features"


class FeatureCache:
    """The kept features of one slide, grid and encoder.

    Parameters
    ----------
    folder : Path
        Of all kept features.
    key : str
        As `feature_key` gives it.
    dimension : int
        Length of a feature vector.

    Attributes
    ----------
    key : str
        As it was given.
    problem : str
        Why nothing more is kept; empty while all is well.
    """

    def __init__(self, folder: Path, key: str, dimension: int) -> None:
        self.problem = ""
        self.key = key
        self._folder = folder / key
        self._dimension = dimension
        self._segment: _Segment | None = None
        self._trying(lambda: _touch(self._folder / _USED))

    def load(self, tiles: TileGrid) -> Iterator[EncodedBatch]:
        """What is kept of a grid's tiles, each once; nothing of what is damaged."""
        wanted = _Wanted(tiles)
        for path in sorted(self._folder.glob("*.zarr")):
            kept = _Kept.of(path, self._dimension)
            if kept is not None and not wanted.all_given:
                for rows in kept.slabs():
                    yield from kept.read(rows, wanted)

    def begin(self, tiles: int, limit_bytes: int) -> None:
        """Make room for at most so many tiles that will be computed, within a limit for all kept features."""
        if tiles and not self.problem:
            self._trying(lambda: self._begin(tiles, limit_bytes))

    def add(self, cells: Cells, features: FeatureArray) -> None:
        """Keep the features of (n,) tiles, given by the cells of their grid, (n, 2)."""
        segment = self._segment
        if segment is not None and not self.problem:
            self._trying(lambda: segment.add(cells, features))

    def close(self) -> None:
        """Write what is left."""
        segment, self._segment = self._segment, None
        if segment is not None and not self.problem:
            self._trying(segment.flush)

    def _begin(self, tiles: int, limit_bytes: int) -> None:
        needed = tiles * self._dimension * _FLOAT_BYTES
        make_room(self._folder.parent, limit_bytes - needed, keep=self._folder.name, leave_free=needed + RESERVE_BYTES)
        if shutil.disk_usage(self._folder).free < needed + RESERVE_BYTES:
            raise OSError(errno.ENOSPC, f"less than {RESERVE_BYTES / 2**30:.0f} GB would be left free on the disk")
        self._segment = _Segment(self._folder / f"{uuid.uuid4().hex}.zarr", tiles, self._dimension)

    def _trying(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            # The path would name the person.
            self.problem = error.strerror or type(error).__name__


class _Segment:
    """What one run computes, on its way to the disk."""

    def __init__(self, path: Path, tiles: int, dimension: int) -> None:
        import zarr  # noqa: PLC0415 (a third of a second)
        from zarr.codecs import Crc32cCodec  # noqa: PLC0415

        group = zarr.open_group(path, mode="w", attributes={"format": _FORMAT})
        self._features, self._cells = (
            group.create_array(
                name,
                shape=(tiles, width),
                chunks=(CHUNK_TILES, width),
                dtype=kind,
                fill_value=fill,
                compressors=[Crc32cCodec()],
            )
            for name, width, kind, fill in (("features", dimension, "float32", np.nan), ("cells", 2, "int32", _EMPTY))
        )
        self._written = 0
        self._last = time.monotonic()
        self._waiting_cells = np.zeros((0, 2), np.int32)
        self._waiting = np.zeros((0, dimension), np.float32)

    def add(self, cells: Cells, features: FeatureArray) -> None:
        self._waiting_cells = np.concatenate([self._waiting_cells, cells])
        self._waiting = np.concatenate([self._waiting, features])
        while len(self._waiting) >= CHUNK_TILES:
            self._write(CHUNK_TILES)
            self._waiting, self._waiting_cells = self._waiting[CHUNK_TILES:], self._waiting_cells[CHUNK_TILES:]
            self._written += CHUNK_TILES
        if len(self._waiting) and time.monotonic() - self._last > SECONDS_UNWRITTEN:
            self.flush()

    def flush(self) -> None:
        """Write what waits; it stays, to be written again with the rest of its chunk."""
        if len(self._waiting):
            self._write(len(self._waiting))

    def _write(self, count: int) -> None:
        rows = slice(self._written, self._written + count)
        self._features[rows] = self._waiting[:count]
        self._cells[rows] = self._waiting_cells[:count]
        self._last = time.monotonic()


class _Wanted:
    """The tiles of a grid that nobody has given yet."""

    def __init__(self, tiles: TileGrid) -> None:
        self._columns = tiles.grid.shape[1]
        keys = self._keys(tiles.cells)
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]
        self._open = np.ones(len(keys), dtype=np.bool_)

    @property
    def all_given(self) -> bool:
        """Whether nothing is wanted any more."""
        return not self._open.any()

    def find(self, cells: Cells) -> tuple[Rows, Rows]:
        """Which of these cells are wanted, as rows of `cells`, and which tiles of the grid they are."""
        if not len(self._sorted):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        keys, first = np.unique(self._keys(cells), return_index=True)
        at = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        indices = self._order[at]
        found = (self._sorted[at] == keys) & (keys != _EMPTY) & self._open[indices]
        return first[found].astype(np.int64), indices[found].astype(np.int64)

    def give(self, indices: Rows) -> None:
        """These are wanted no more."""
        self._open[indices] = False

    def _keys(self, cells: Cells) -> Rows:
        # A cell beyond the grid (of a damaged file) must not pass for one in the next row.
        inside = (cells[:, 1] >= 0) & (cells[:, 1] < self._columns) & (cells[:, 0] >= 0)
        return np.where(inside, cells[:, 0].astype(np.int64) * self._columns + cells[:, 1], _EMPTY)


@dataclass(frozen=True)
class _Kept:
    """A segment that some run has left."""

    features: zarr.Array[Any]
    cells: zarr.Array[Any]

    @classmethod
    def of(cls, path: Path, dimension: int) -> _Kept | None:
        """None where it is not one, of another form, or damaged."""
        import zarr  # noqa: PLC0415

        try:
            group = zarr.open_group(path, mode="r")
            features, cells = (zarr.open_array(path, path=name, mode="r") for name in ("features", "cells"))
            fits = features.shape == (cells.shape[0], dimension) and cells.shape[1:] == (2,)
            known = group.attrs.get("format") == _FORMAT and features.chunks[0] == cells.chunks[0] == CHUNK_TILES
        except Exception:  # whatever a damaged document trips in zarr
            return None
        return cls(features, cells) if fits and known else None

    def slabs(self) -> Iterator[slice]:
        """Rows that are read together."""
        count = self.cells.shape[0]
        return (slice(first, min(first + SLAB_TILES, count)) for first in range(0, count, SLAB_TILES))

    def read(self, rows: slice, wanted: _Wanted) -> Iterator[EncodedBatch]:
        """Those of the rows that are wanted; where something is damaged, what is whole around it."""
        try:
            found, indices = wanted.find(np.asarray(self.cells[rows]))
            if not len(found):
                return
            features = np.asarray(self.features[rows], dtype=np.float32)[found]
        except Exception:  # codecs and the store have errors of their own
            if rows.stop - rows.start > CHUNK_TILES:
                for first in range(rows.start, rows.stop, CHUNK_TILES):
                    yield from self.read(slice(first, min(first + CHUNK_TILES, rows.stop)), wanted)
            return
        sound = np.isfinite(features).all(axis=1)
        wanted.give(indices[sound])
        yield EncodedBatch(indices[sound], features[sound], np.zeros(0, dtype=np.int64))


def make_room(folder: Path, limit_bytes: int, keep: str, leave_free: int = 0) -> None:
    """Remove the features that were not used for longest until the rest takes no more than the limit.

    Parameters
    ----------
    folder : Path
        Of all kept features.
    limit_bytes : int
        What they may take.
    keep : str
        The key that is in use now. Others in use lose what they have: their run goes on, and computes it again next
        time.
    leave_free : int
        Bytes that shall be free on the disk afterwards, if removing features can do it.
    """
    try:
        kept = sorted((one for one in folder.iterdir() if one.is_dir()), key=_last_used)
        free = shutil.disk_usage(folder).free
    except OSError:  # nothing is kept, or nothing can be looked at
        return
    sizes = {one: _bytes_of(one) for one in kept}
    surplus = max(sum(sizes.values()) - limit_bytes, leave_free - free)
    for one in kept:
        if surplus <= 0:
            return
        if one.name != keep:
            shutil.rmtree(one, ignore_errors=True)
            surplus -= sizes[one]


def _bytes_of(folder: Path) -> int:
    """What the files below take; another process may be writing them, or removing them."""
    total = 0
    for root, _, files in os.walk(folder):  # a folder that vanishes meanwhile is no error to it, as it is to rglob
        for file in files:
            with suppress(OSError):
                total += (Path(root) / file).stat().st_size
    return total


def _last_used(folder: Path) -> float:
    try:
        return (folder / _USED).stat().st_mtime
    except OSError:  # no mark, or it is being removed
        return 0.0


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path)
