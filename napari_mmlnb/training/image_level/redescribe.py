"""A table of images described anew by a describer: between stage A and stage B, as the paper does it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from napari_mmlnb.describe.base import Describer, EvidenceTile
from napari_mmlnb.errors import OutputError, RequestError
from napari_mmlnb.geometry import Region
from napari_mmlnb.training.csv_table import read_table
from napari_mmlnb.training.image_level.table import NEEDED

UNDESCRIBED = "Nothing was said."
"""Instead of a description of which nothing passed the guard; how often is told."""

_AT_ONCE = 8


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
    table: Path, images: Path, out: Path, describer: Describer, *, um_per_px: float, log: Callable[[str], None]
) -> Redescribed:
    """Write a copy of a table whose descriptions are the describer's, one an image.

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

    Raises
    ------
    RequestError
        If the table is wrong, or an image cannot be read.
    OutputError
        If the new table is there, or cannot be written.
    """
    rows = read_table(table, tuple(name for name in NEEDED if name != "description"))
    missing = [row["file_name"] for row in rows if not (images / row["file_name"]).is_file()]
    if missing:
        raise RequestError(f"{len(missing)} images of {table.name} are not there, the first is {missing[0]}.")
    if out.exists():
        raise OutputError(out, "it exists already")
    partial = out.with_suffix(".partial")
    faults: Counter[str] = Counter()
    undescribed = 0
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys([*NEEDED, *rows[0]])))
            writer.writeheader()
            for number, (row, text, why) in enumerate(_described(rows, images, describer, um_per_px), start=1):
                faults.update(set(why))
                undescribed += not text
                writer.writerow(row | {"description": text or UNDESCRIBED})
                if number % 100 == 0 or number == len(rows):
                    log(f"described {number} of {len(rows)} images")
        partial.replace(out)
    except OSError as error:
        raise OutputError(out, error.strerror or "it cannot be written") from error
    return Redescribed(len(rows), undescribed, dict(faults))


def _described(
    rows: Sequence[dict[str, str]], images: Path, describer: Describer, um_per_px: float
) -> Iterator[tuple[dict[str, str], str, tuple[str, ...]]]:
    remaining = iter(rows)
    while batch := list(islice(remaining, _AT_ONCE)):
        tiles = [_tile(images / row["file_name"], rank, um_per_px) for rank, row in enumerate(batch, start=1)]
        said = {one.rank: one for one in describer.describe(tiles) if one.complete}
        for rank, row in enumerate(batch, start=1):
            yield row, " ".join(said[rank].sentences), said[rank].faults


def _tile(path: Path, rank: int, um_per_px: float) -> EvidenceTile:
    try:
        with Image.open(path) as image:
            rgb = np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise RequestError(f"The image {path.name} cannot be read.") from error
    height, width = rgb.shape[:2]
    return EvidenceTile(rank, rgb, um_per_px, Region(0.0, 0.0, height * um_per_px, width * um_per_px))
