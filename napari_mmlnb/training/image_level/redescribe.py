"""A table of images described anew by a describer: between stage A and stage B, as the paper does it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from napari_mmlnb.describe.base import Describer, EvidenceTile
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import OutputError
from napari_mmlnb.geometry import Region
from napari_mmlnb.training.csv_table import Row, read_table, write_table
from napari_mmlnb.training.describing.class_words import USUAL_LABELS, ClassWords, usual_classes
from napari_mmlnb.training.image_file import check_image_files, read_rgb
from napari_mmlnb.training.image_level.described_rows import DescribedRow, DescribedRows, partial_file
from napari_mmlnb.training.image_level.table import NEEDED, check_files

UNDESCRIBED = "Nothing was said."
"""Instead of a description of which nothing passed the guard; how often is told."""

_AT_ONCE = 8
_NEEDED = tuple(name for name in NEEDED if name != "description")


@dataclass(frozen=True)
class Redescribed:
    """What came out.

    Parameters
    ----------
    images : int
        How many were described.
    undescribed : int
        Those of which nothing was said that could be kept.
    faults : dict of str to int
        Why words were left out, and in how many descriptions.
    """

    images: int
    undescribed: int
    faults: dict[str, int]


def redescribe(
    table: Path,
    images: Path,
    out: Path,
    describer: Describer,
    *,
    um_per_px: float,
    log: Callable[[str], None],
    settings: Sequence[object] = (),
) -> Redescribed:
    """Write a copy of a table whose descriptions are the describer's, one an image.

    Table and images are checked first, as `read_cases` and a training do. What has been described is kept in
    ``OUT.partial`` until all is: the same call goes on after it was stopped.

    Parameters
    ----------
    table, images : Path
        As `read_cases` takes them; old descriptions may be empty, or the column missing.
    out : Path
        The new table; it must not be there.
    describer : Describer
        What describes. It is shown the images alone, never their classes.
    um_per_px : float
        Of the images.
    log : callable
        Told a line at a time.
    settings : sequence
        What else the words depend on; with another one nothing goes on.

    Raises
    ------
    RequestError
        If the table is wrong, or an image cannot be used.
    OutputError
        If the new table is there, or cannot be written; or rows are kept there of another describing.
    """
    rows = read_table(table, _NEEDED)
    check_files(rows, images, table)
    if out.exists():
        raise OutputError(out, "it exists already")
    names = [row["file_name"] for row in rows]
    check_image_files([images / name for name in names], names)
    made_by = (describer.facts, file_sha256(table), str(images.resolve()), um_per_px, *settings)
    described = DescribedRows(partial_file(out), hashlib.sha256(repr(made_by).encode()).hexdigest())
    try:
        if described.kept:
            log(f"going on after {len(described.kept)} of {len(rows)} images")
        for one in _described(rows[len(described.kept) :], images, describer, um_per_px):
            described.append(one)
            number = len(described.kept)
            if number % 100 == 0 or number == len(rows):
                log(f"described {number} of {len(rows)} images")
    except OSError as error:
        raise OutputError(described.path, error.strerror or "it cannot be written") from error
    finally:
        described.close()
    _write(out, rows, described.kept)
    described.path.unlink(missing_ok=True)
    faults = Counter(fault for one in described.kept for fault in set(one.faults))
    return Redescribed(len(rows), sum(not one.text for one in described.kept), dict(faults))


def names_of_classes(table: Path) -> tuple[str, ...]:
    """What a describer of this table must not say: its classes, and what they usually stand for.

    Raises
    ------
    RequestError
        If the table cannot be read.
    """
    ids = sorted({row["class"] for row in read_table(table, _NEEDED) if row["class"]})
    numbered = all(name.isdecimal() for name in ids)
    return ClassWords(USUAL_LABELS if numbered else usual_classes(ids)).forbidden


def _write(out: Path, rows: Sequence[Row], described: Sequence[DescribedRow]) -> None:
    """The table, whole or not at all."""
    columns = dict.fromkeys([*NEEDED, *rows[0]], "")
    new = [columns | row | {"description": one.text or UNDESCRIBED} for row, one in zip(rows, described, strict=True)]
    try:
        with TemporaryDirectory(prefix=".", dir=out.parent) as folder:
            fresh = Path(folder) / out.name
            write_table(fresh, new)
            if out.exists():
                raise OutputError(out, "it exists already")
            fresh.replace(out)
    except OSError as error:
        raise OutputError(out, error.strerror or "it cannot be written") from error


def _described(rows: Sequence[Row], images: Path, describer: Describer, um_per_px: float) -> Iterator[DescribedRow]:
    remaining = iter(rows)
    while batch := list(islice(remaining, _AT_ONCE)):
        tiles = [_tile(images / row["file_name"], rank, um_per_px) for rank, row in enumerate(batch, start=1)]
        said = (one for one in describer.describe(tiles) if one.complete)
        yield from (DescribedRow(" ".join(one.sentences), one.faults) for one in said)


def _tile(path: Path, rank: int, um_per_px: float) -> EvidenceTile:
    rgb = np.asarray(read_rgb(path))
    height, width = rgb.shape[:2]
    return EvidenceTile(rank, rgb, um_per_px, Region(0.0, 0.0, height * um_per_px, width * um_per_px))
