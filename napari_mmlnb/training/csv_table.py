"""CSV tables with a header, read and checked before anything is learned from them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from napari_mmlnb.errors import RequestError

Row = dict[str, str]
_SHOWN = 3


def read_table(table: Path, needed: Sequence[str]) -> list[Row]:
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


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows, at least one, all with the columns of the first."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def refuse(rows: Sequence[Row], wrong: Callable[[Row], bool], table: Path, what: str, remedy: str = "") -> None:
    """Refuse a table some of whose rows are wrong.

    Rows are told by their number, the header being the first: what they hold may be a patient's name.

    Parameters
    ----------
    rows : sequence of dict
        All of the table.
    wrong : callable
        Whether a row is.
    table : Path
        For the message.
    what, remedy : str
        What is wrong ("name no patient"), and what to do.

    Raises
    ------
    RequestError
        If a row is wrong.
    """
    lines = list(_lines(rows, wrong))
    if lines:
        shown = ", ".join(map(str, lines[:_SHOWN])) + (", ..." if len(lines) > _SHOWN else "")
        raise RequestError(f"{len(lines)} of {len(rows)} rows of {table.name} {what}: row {shown}.", remedy)


def class_numbers(class_ids: Sequence[str]) -> Mapping[str, int]:
    """What a row may call its class: the id, or its number in this order."""
    return {**{str(number): number for number in range(len(class_ids))}, **{c: i for i, c in enumerate(class_ids)}}


def refuse_classes(rows: Sequence[Row], class_ids: Sequence[str], table: Path) -> None:
    """Refuse a table whose column `class` names another class than these; raises as `refuse`."""
    numbers = class_numbers(class_ids)
    refuse(
        rows,
        lambda row: row["class"] not in numbers,
        table,
        f"name a class that is none of {', '.join(class_ids)}",
        "Name the classes in the configuration as the table does.",
    )


def _lines(rows: Sequence[Row], wrong: Callable[[Row], bool]) -> Iterator[int]:
    """Rows that are wrong, counted from 2: the header is the first."""
    return (number for number, row in enumerate(rows, start=2) if wrong(row))
