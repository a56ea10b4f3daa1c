"""Images with their descriptions: a folder, and a CSV in the layout of NBITP-1.5K (file_name, description, class)."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from napari_mmlnb.errors import RequestError

NEEDED = ("file_name", "description", "class")
PATIENT, PART = "patient", "split"
_SHOWN = 3


@dataclass(frozen=True)
class ImageCase:
    """One image.

    Parameters
    ----------
    file_name : str
        As the table names it.
    path : Path
        Where it lies.
    description : str
        What was said of it.
    label : int
        Number of its class.
    patient : str
        Whose it is; empty where the table does not say.
    part : str
        "train", "selection" or "report"; empty where the table does not say.
    """

    file_name: str
    path: Path
    description: str
    label: int
    patient: str = ""
    part: str = ""


def read_cases(table: Path, images: Path, class_ids: Sequence[str]) -> tuple[ImageCase, ...]:
    """Read a table and check all of it, before anything is learned from it.

    Parameters
    ----------
    table : Path
        CSV in UTF-8 with a header: `file_name`, `description` and `class`, and if wanted `patient` and `split`.
    images : Path
        Folder that `file_name` counts from.
    class_ids : sequence of str
        The classes; a row names one, or its number in this order.

    Returns
    -------
    tuple of ImageCase
        In the order of the table.

    Raises
    ------
    RequestError
        If the table cannot be read, lacks a column, has no rows, names files that are missing, outside of the folder or
        named twice, classes that are unknown, or descriptions that are empty. Rows are told by their number, the header
        being the first.
    """
    rows = read_table(table)
    _refuse(rows, lambda row: not row["description"], table, "have no description", "Describe them, or leave them out.")
    numbers = {**{str(number): number for number in range(len(class_ids))}, **{c: i for i, c in enumerate(class_ids)}}
    _refuse(
        rows,
        lambda row: row["class"] not in numbers,
        table,
        f"name a class that is none of {', '.join(class_ids)}",
        "Name the classes in the configuration as the table does.",
    )
    times = Counter(row["file_name"] for row in rows)
    _refuse(rows, lambda row: times[row["file_name"]] > 1, table, "name a file that another row names too", "")
    _refuse(rows, lambda row: not _is_below(row["file_name"]), table, "name a file outside of the folder of images", "")
    _refuse(
        rows,
        lambda row: not (images / row["file_name"]).is_file(),
        table,
        "name a file that is not there",
        "Is the folder of images the right one?",
    )
    return tuple(_case(row, images, numbers) for row in rows)


Row = dict[str, str]


def _case(row: Row, images: Path, numbers: Mapping[str, int]) -> ImageCase:
    name, label = row["file_name"], numbers[row["class"]]
    return ImageCase(name, images / name, row["description"], label, row.get(PATIENT, ""), row.get(PART, ""))


def read_table(table: Path, needed: Sequence[str] = NEEDED) -> list[Row]:
    """Rows of a CSV file by column, blanks around values removed.

    Raises
    ------
    RequestError
        If it cannot be read, lacks a column that is needed, or has no rows.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in needed if name not in (reader.fieldnames or ())]
            if missing:
                raise RequestError(
                    f"The table {table.name} has no column {missing[0]!r}.", f"It needs {', '.join(needed)}."
                )
            rows = [{name: (value or "").strip() for name, value in row.items() if name is not None} for row in reader]
    except OSError as error:
        raise RequestError(f"The table {table} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise RequestError(
            f"The table {table.name} is no CSV in UTF-8.", "Save it as CSV, encoded in UTF-8."
        ) from error
    if not rows:
        raise RequestError(f"The table {table.name} has no rows.")
    return rows


def _is_below(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return bool(name) and not path.is_absolute() and ".." not in path.parts and ":" not in name


def _refuse(rows: list[Row], wrong: Callable[[Row], bool], table: Path, what: str, remedy: str) -> None:
    lines = list(_lines(rows, wrong))
    if lines:
        shown = ", ".join(map(str, lines[:_SHOWN])) + (", ..." if len(lines) > _SHOWN else "")
        raise RequestError(f"{len(lines)} of {len(rows)} rows of {table.name} {what}: row {shown}.", remedy)


def _lines(rows: list[Row], wrong: Callable[[Row], bool]) -> Iterator[int]:
    """Rows that are wrong, counted from 2: the header is the first."""
    return (number for number, row in enumerate(rows, start=2) if wrong(row))
