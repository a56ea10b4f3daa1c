"""A table is checked as a whole before anything is learned from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.image_level.table import read_cases

CLASSES = ("pd", "d", "ud")
GOOD = 'file_name,description,class\na.png,Small round cells.,pd\nsub/b.png,"Ganglion cells, many.",1\n'


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "c.png", "sub/b.png"):
        (folder / name).write_bytes(b"")
    (tmp_path / "outside.png").write_bytes(b"")
    return folder


def _read(images: Path, text: str, encoding: str = "utf-8"):
    table = images.parent / "table.csv"
    table.write_bytes(text.encode(encoding))
    return read_cases(table, images, CLASSES)


def test_a_table_is_read_in_its_order_with_classes_by_name_or_number(images: Path) -> None:
    first, second = _read(images, GOOD)
    assert (first.path, first.label, first.description, first.patient) == (
        images / "a.png",
        0,
        "Small round cells.",
        "",
    )
    assert (second.path, second.label, second.description) == (images / "sub/b.png", 1, "Ganglion cells, many.")


def test_patients_and_parts_are_taken_where_they_are_given(images: Path) -> None:
    (only,) = _read(images, "class,patient,split,file_name,description\nud, P1 ,train,c.png,Text\n")
    assert (only.label, only.patient, only.part) == (2, "P1", "train")


def test_excel_writes_a_mark_before_the_header(images: Path) -> None:
    assert len(_read(images, GOOD, "utf-8-sig")) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file_name,class\na.png,pd\n", "no column 'description'"),
        ("file_name,description,class\n", "no rows"),
        ("", "no column 'file_name'"),
        (GOOD + "c.png,   ,pd\n", "1 of 3 rows of table.csv have no description: row 4"),
        (GOOD + "c.png\n", "no description"),
        (GOOD + "c.png,Text,gnb\n", "none of pd, d, ud: row 4"),
        (GOOD + "c.png,Text,3\n", "none of pd, d, ud: row 4"),
        (GOOD + "a.png,Text,pd\n", "another row names too: row 2, 4"),
        (GOOD + "x.png,Text,pd\ny.png,Text,pd\n", "2 of 4 rows of table.csv name a file that is not there: row 4, 5"),
        (GOOD + "../outside.png,Text,pd\n", "outside of the folder"),
        (GOOD + "/etc/hostname,Text,pd\n", "outside of the folder"),
        (GOOD + ",Text,pd\n", "outside of the folder"),
    ],
)
def test_what_is_wrong_is_said_with_its_row(images: Path, text: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        _read(images, text)


def test_what_is_no_table_at_all_is_refused(images: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="UTF-8"):
        _read(images, GOOD.replace("cells", "Zellgrösse"), "latin-1")
    with pytest.raises(RequestError, match="cannot be read"):
        read_cases(tmp_path / "nowhere.csv", images, CLASSES)


def test_many_wrong_rows_are_counted_and_three_are_shown(images: Path) -> None:
    with pytest.raises(RequestError, match=r"9 of 11 rows .*: row 4, 5, 6, \.\.\."):
        _read(images, GOOD + "".join(f"n{i}.png,Text,pd\n" for i in range(9)))
