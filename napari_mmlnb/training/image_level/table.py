"""Images with their descriptions: a folder, and a CSV in the layout of NBITP-1.5K (file_name, description, class)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from napari_mmlnb.training.class_column import class_counts_note, class_labels
from napari_mmlnb.training.csv_table import Row, read_table, refuse
from napari_mmlnb.training.describing.class_words import ClassWords, refuse_named, usual_classes
from napari_mmlnb.training.image_level.descriptions import is_description
from napari_mmlnb.training.image_level.doubles import refuse_doubles
from napari_mmlnb.training.patients import patient_names

NEEDED = ("file_name", "description", "class")
PART = "split"
Naming = Literal["refuse", "allow"]
"""What becomes of descriptions that name a class."""


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
        Whose it is, spelled in one way (`patients.patient_names`); empty where the table does not say.
    part : str
        "train", "selection" or "report"; empty where the table does not say.
    line : int
        Of the table, where its row begins.
    told_class : str
        Its class as the table has it: a name, or a number.
    """

    file_name: str
    path: Path
    description: str
    label: int
    patient: str = ""
    part: str = ""
    line: int = field(default=0, compare=False)
    told_class: str = field(default="", compare=False)


def read_cases(
    table: Path, images: Path, class_ids: Sequence[str], class_words: Naming = "refuse"
) -> tuple[ImageCase, ...]:
    """Read a table and check all of it, before anything is learned from it.

    Parameters
    ----------
    table : Path
        CSV in UTF-8 with a header: `file_name`, `description` and `class`, and if wanted `patient` and `split`.
    images : Path
        Folder that `file_name` counts from.
    class_ids : sequence of str
        The classes; a row names one, or, if all rows do, its number in this order.
    class_words : str
        "refuse" a table whose descriptions name a class, by id or by the label that the id usually has: a network that
        reads the answer learns nothing else, and the published texts do not have it. Or "allow" them.

    Returns
    -------
    tuple of ImageCase
        In the order of the table.

    Raises
    ------
    RequestError
        If the table cannot be read, lacks a column, has no rows, names files that are missing, outside of the folder or
        there twice (under whatever names), classes that are unknown, patients that differ in small and capital letters
        only, or descriptions that say nothing or name a class. Rows are told by their line.
    """
    rows = read_table(table, NEEDED)
    refuse(
        rows,
        lambda row: not is_description(row["description"]),
        table,
        "have no description",
        "Describe them, or leave them out.",
    )
    labels = class_labels(rows, class_ids, table)
    if class_words == "refuse":
        texts = [(row.line, row["description"]) for row in rows]
        refuse_named(texts, ClassWords(usual_classes(class_ids)), table)
    check_files(rows, images, table)
    patients = patient_names(rows, table)
    return tuple(
        ImageCase(
            row["file_name"],
            images / row["file_name"],
            row["description"],
            label,
            patient,
            row.get(PART, ""),
            row.line,
            row["class"],
        )
        for row, label, patient in zip(rows, labels, patients, strict=True)
    )


def check_files(rows: Sequence[Row], images: Path, table: Path) -> None:
    """Check that every row names an image of its own, and that it is there; the images are not decoded.

    Parameters
    ----------
    rows : sequence of Row
        With a column `file_name`, which counts from `images`.
    images, table : Path
        Folder of the images; and the table, for messages.

    Raises
    ------
    RequestError
        If a file is outside of the folder, not there, or there twice.
    """
    refuse(rows, lambda row: not _is_below(row["file_name"]), table, "name a file outside of the folder of images")
    paths = {row["file_name"]: images / row["file_name"] for row in rows}
    refuse(
        rows,
        lambda row: not _is_file(paths[row["file_name"]]),
        table,
        "name a file that is not there",
        "Is the folder of images the right one, and does the column file_name hold names of files?",
    )
    refuse_doubles(rows, [paths[row["file_name"]] for row in rows], table)


def naming_note(cases: Sequence[ImageCase], class_ids: Sequence[str]) -> str:
    """How many descriptions name a class, for log and card where that was allowed; empty where none does."""
    words = ClassWords(usual_classes(class_ids))
    naming = sum(bool(words.named(case.description)) for case in cases)
    return f"{naming} of {len(cases)} descriptions name a class, which was allowed" if naming else ""


def counts_note(cases: Sequence[ImageCase], class_ids: Sequence[str]) -> str:
    """How many images each class has, and what the table's numbers were taken for; for the log of a training."""
    return class_counts_note([case.told_class for case in cases], [case.label for case in cases], class_ids, "images")


def _is_below(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return bool(name) and not path.is_absolute() and ".." not in path.parts and ":" not in name


def _is_file(path: Path) -> bool:
    """Whether it is one; a text that can be no path (too long, with a NUL) names none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
