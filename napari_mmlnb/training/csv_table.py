"""CSV tables with a header, read and checked before anything is learned from them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from napari_mmlnb.errors import RequestError

_SHOWN = 3
_SEPARATORS = (",", ";", "\t")
"""What spreadsheets write between values: a German Excel writes semicolons, whatever the file is called."""
_DECLARED = "sep="
"""A first line by which Excel says its separator."""


class Row(dict[str, str]):
    """Values of a row by column.

    Parameters
    ----------
    values : mapping of str to str
        Column to value.
    line : int
        Of the file, where the row begins; the first is 1. Blank lines and line breaks within quotes count.
    """

    def __init__(self, values: Mapping[str, str], line: int) -> None:
        super().__init__(values)
        self.line = line


def read_table(table: Path, needed: Sequence[str]) -> list[Row]:
    """Rows of a CSV file by column.

    Values are separated by commas, semicolons or tabs, whichever shows the columns that are needed. Blanks around names
    and values are removed; the case of columns' names makes no difference, and columns without a name are left out, as
    are rows without a value.

    Parameters
    ----------
    table : Path
        CSV in UTF-8 with a header.
    needed : sequence of str
        Columns that there must be, in small letters.

    Raises
    ------
    RequestError
        If it cannot be read, lacks a column that is needed, names one twice, has a row with more values than columns,
        quotes that do not close, or no rows.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except OSError as error:
        raise RequestError(f"The table {table} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise RequestError(
            f"The table {table.name} is no CSV in UTF-8.", "Save it as CSV, encoded in UTF-8."
        ) from error
    records = _records(text, table, needed)
    _, header = next(records, (1, []))
    columns = [_folded(name) for name in header]
    _check_columns(columns, needed, table)
    rows = [_row(columns, values, line, table) for line, values in records]
    if not rows:
        raise RequestError(f"The table {table.name} has no rows.")
    return rows


def _records(text: str, table: Path, needed: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Header and rows as they are written, each with the line that it begins in; those without a value are left out."""
    first, second = [*(line for line in text.split("\n") if line.strip()), "", ""][:2]
    first = first.strip("\r ").lower()
    declared = first.startswith(_DECLARED)
    separator = first.removeprefix(_DECLARED) if declared else ""
    if len(separator) != 1:
        separator = _separator(second if declared else first, needed)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    try:
        for values in reader:
            if any(value.strip() for value in values):
                if not declared:
                    yield line, values
                declared = False
            line = reader.line_num + 1
    except csv.Error as error:
        raise RequestError(
            f"The table {table.name} cannot be read from line {line} on: {error}.",
            'Look for a quotation mark there that is not closed; within quotes, write " twice.',
        ) from error


def _separator(header: str, needed: Sequence[str]) -> str:
    """What the header is separated by: whichever shows most of the columns that are needed, a comma in doubt."""
    return max(_SEPARATORS, key=lambda one: len(set(needed) & {_folded(name) for name in header.split(one)}))


def _folded(name: str) -> str:
    return name.strip().strip('"').strip().casefold()


def _check_columns(columns: Sequence[str], needed: Sequence[str], table: Path) -> None:
    missing = [name for name in needed if name not in columns]
    if missing:
        raise RequestError(
            f"The table {table.name} has no column {missing[0]!r}.",
            f"It needs {', '.join(needed)}, separated by commas (semicolons and tabs are taken too).",
        )
    twice = [name for name, times in Counter(columns).items() if name and times > 1]
    if twice:
        raise RequestError(
            f"The table {table.name} has {columns.count(twice[0])} columns {twice[0]!r}.", "Leave one of them."
        )


def _row(columns: Sequence[str], values: Sequence[str], line: int, table: Path) -> Row:
    if len(values) > len(columns):
        raise RequestError(
            f"Line {line} of {table.name} has {len(values)} values, and there are {len(columns)} columns.",
            "Put a value that holds the separator itself into quotation marks.",
        )
    filled = [*values, *[""] * (len(columns) - len(values))]
    return Row({name: value.strip() for name, value in zip(columns, filled, strict=True) if name}, line)


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows, at least one, all with the columns of the first."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def refuse(rows: Sequence[Row], wrong: Callable[[Row], bool], table: Path, what: str, remedy: str = "") -> None:
    """Refuse a table some of whose rows are wrong.

    Rows are told by their line: what they hold may be a patient's name.

    Parameters
    ----------
    rows : sequence of Row
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
    lines = [row.line for row in rows if wrong(row)]
    if lines:
        raise RequestError(f"{len(lines)} of {len(rows)} rows of {table.name} {what}: {shown_lines(lines)}.", remedy)


def shown_lines(lines: Sequence[int]) -> str:
    """The first few of them: "line 3", "lines 3, 7, ..."."""
    told = ", ".join(map(str, lines[:_SHOWN])) + (", ..." if len(lines) > _SHOWN else "")
    return f"line{'' if len(lines) == 1 else 's'} {told}"
