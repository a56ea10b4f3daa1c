"""The column `patient` of a table: one patient is one, however the name is spelled."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.csv_table import Row, shown_lines

PATIENT = "patient"


def patient_names(rows: Sequence[Row], table: Path) -> tuple[str, ...]:
    """The rows' patients, spelled in one way; empty where a row names none.

    Composed and decomposed letters, wide and narrow ones, characters that are not seen and doubled blanks make no
    difference (NFKC). Small and capital letters may, so patients that differ in nothing else are refused.

    Raises
    ------
    RequestError
        If patients differ in small and capital letters only. The lines are told, not the names.
    """
    names = tuple(_spelled(row.get(PATIENT, "")) for row in rows)
    spellings: dict[str, dict[str, int]] = {}
    for row, name in zip(rows, names, strict=True):
        spellings.setdefault(name.casefold(), {}).setdefault(name, row.line)
    twice = [lines for lines in spellings.values() if len(lines) > 1]
    if twice:
        first = shown_lines(list(twice[0].values()))
        raise RequestError(
            f"{len(twice)} patients of {table.name} are spelled with small and with capital letters, such as the one "
            f"of {first}: nobody can tell whether these are one patient or several.",
            "Spell a patient in the same way in all rows, and different ones differently.",
        )
    return names


def _spelled(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name)
    return " ".join("".join(c for c in plain if unicodedata.category(c) != "Cf").split())
