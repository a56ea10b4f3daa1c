"""No table is read otherwise than whoever wrote it meant, without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.csv_table import Row, read_table, refuse

NEEDED = ("file_name", "class")


def _read(folder: Path, text: str) -> list[Row]:
    (folder / "t.csv").write_bytes(text.encode("utf-8"))
    return read_table(folder / "t.csv", NEEDED)


@pytest.mark.parametrize(
    "text",
    [
        "file_name,class\na.png,pd\n",
        "file_name;class\r\na.png;pd\r\n",
        "file_name\tclass\na.png\tpd\n",
        "sep=;\r\nfile_name;class\r\na.png;pd\r\n",
        "sep=\t\nfile_name\tclass\na.png\tpd\n",
        " File_Name , CLASS \n a.png , pd \n",
        '"file_name";"class"\n"a.png";"pd"\n',
        ",file_name,class\n0,a.png,pd\n",
        "file_name,class\na.png,pd\n,\n",
        "\nfile_name;class\n\na.png;pd\n",
    ],
    ids=[
        "commas",
        "semicolons",
        "tabs",
        "sep=;",
        "sep=tab",
        "blanks and capitals",
        "quoted",
        "index",
        "empty row",
        "empty lines",
    ],
)
def test_what_spreadsheets_write_is_read(tmp_path: Path, text: str) -> None:
    assert _read(tmp_path, text) == [{"file_name": "a.png", "class": "pd"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file_name,class,Class\na.png,pd,ud\n", "has 2 columns 'class'"),
        ("file_name,class\na.png,pd\nb.png,pd,ud\n", "Line 3 of t.csv has 3 values, and there are 2 columns"),
        ('file_name,class\na.png,"pd\nb.png,ud\n', "from line 2 on: .*quotation mark"),
        (f"file_name,class\na.png,pd\nb.png,{'x' * 200_000}\n", "from line 3 on: field larger"),
        ("file_name|class\na.png|pd\n", "no column 'file_name'.*separated by commas"),
        ("file_name,class\n\n,\n", "no rows"),
    ],
)
def test_what_would_be_misread_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        _read(tmp_path, text)


def test_rows_are_told_by_the_line_that_an_editor_shows(tmp_path: Path) -> None:
    rows = _read(tmp_path, 'class,file_name\n\npd,"a\nb.png"\n\npd,c.png\nud,d.png\n')
    assert [row.line for row in rows] == [3, 6, 7]
    with pytest.raises(RequestError, match=r"1 of 3 rows of t.csv are bad: line 7\."):
        refuse(rows, lambda row: row["class"] == "ud", tmp_path / "t.csv", "are bad")
    with pytest.raises(RequestError, match=r"3 of 3 rows of t.csv are bad: lines 3, 6, 7\."):
        refuse(rows, lambda row: True, tmp_path / "t.csv", "are bad")
