"""The column `class` of a table: names, or numbers in the configuration's order, and never some of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from napari_mmlnb.training.csv_table import Row, refuse

CLASS = "class"


def class_labels(rows: Sequence[Row], class_ids: Sequence[str], table: Path) -> tuple[int, ...]:
    """Numbers of the rows' classes in this order.

    A table may number its classes, from 0, if all of its rows do and no class is itself called by a number. Whether it
    counts in the same order nobody can see: `class_counts_note` tells what was made of it.

    Parameters
    ----------
    rows : sequence of Row
        With a column `class`.
    class_ids : sequence of str
        The classes of the configuration.
    table : Path
        For messages.

    Raises
    ------
    RequestError
        If a row names none of them.
    """
    numbers = [row[CLASS] for row in rows if row[CLASS].isdecimal()]
    if len(numbers) == len(rows) and not any(name.isdecimal() for name in class_ids):
        known = {str(number): number for number in range(len(class_ids))}
    else:
        known = {name: number for number, name in enumerate(class_ids)}
    mixed = 0 < len(numbers) < len(rows)
    refuse(
        rows,
        lambda row: row[CLASS] not in known,
        table,
        f"name a class that is none of {', '.join(class_ids)}",
        "Name the classes in all rows, or number them in all rows."
        if mixed
        else "Name the classes in the configuration as the table does; numbers count from 0, in its order.",
    )
    return tuple(known[row[CLASS]] for row in rows)


def class_counts_note(told: Sequence[str], labels: Sequence[int], class_ids: Sequence[str], what: str) -> str:
    """How many there are of each class, for a log; and what its numbers were taken for, where the table has numbers.

    Parameters
    ----------
    told : sequence of str
        (n,) the classes as the table has them.
    labels : sequence of int
        (n,) what they were taken for.
    class_ids : sequence of str
        The classes of the configuration.
    what : str
        "images" or "slides".

    Returns
    -------
    str
        "0 = pd: 120 images, 1 = d: 80 images; the numbers ..." or "pd: 120 images, d: 80 images".
    """
    counts = Counter(labels)
    if all(one in class_ids for one in told):
        return ", ".join(f"{name}: {counts[number]} {what}" for number, name in enumerate(class_ids))
    read = ", ".join(f"{number} = {name}: {counts[number]} {what}" for number, name in enumerate(class_ids))
    return f"{read}; the table numbers its classes, and the configuration's order says which is which"
