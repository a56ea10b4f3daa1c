"""Images with their descriptions: a folder, and a CSV in the layout of NBITP-1.5K (file_name, description, class)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from napari_mmlnb.training.csv_table import Row, class_numbers, read_table, refuse, refuse_classes

NEEDED = ("file_name", "description", "class")
PATIENT, PART = "patient", "split"


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
    rows = read_table(table, NEEDED)
    refuse(rows, lambda row: not row["description"], table, "have no description", "Describe them, or leave them out.")
    refuse_classes(rows, class_ids, table)
    numbers = class_numbers(class_ids)
    times = Counter(row["file_name"] for row in rows)
    refuse(rows, lambda row: times[row["file_name"]] > 1, table, "name a file that another row names too")
    refuse(rows, lambda row: not _is_below(row["file_name"]), table, "name a file outside of the folder of images")
    refuse(
        rows,
        lambda row: not (images / row["file_name"]).is_file(),
        table,
        "name a file that is not there",
        "Is the folder of images the right one?",
    )
    return tuple(_case(row, images, numbers) for row in rows)


def _case(row: Row, images: Path, numbers: Mapping[str, int]) -> ImageCase:
    name, label = row["file_name"], numbers[row["class"]]
    return ImageCase(name, images / name, row["description"], label, row.get(PATIENT, ""), row.get(PART, ""))


def _is_below(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return bool(name) and not path.is_absolute() and ".." not in path.parts and ":" not in name
