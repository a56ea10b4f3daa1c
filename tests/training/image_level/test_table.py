"""A table is checked as a whole before anything is learned from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.image_level.table import counts_note, naming_note, read_cases

CLASSES = ("pd", "d", "ud")
GOOD = 'file_name,description,class\na.png,Small round cells.,pd\nsub/b.png,"Ganglion cells, many.",d\n'


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "c.png", "sub/b.png"):
        (folder / name).write_bytes(name.encode())
    (tmp_path / "outside.png").write_bytes(b"")
    return folder


def _read(images: Path, text: str, encoding: str = "utf-8"):
    table = images.parent / "table.csv"
    table.write_bytes(text.encode(encoding))
    return read_cases(table, images, CLASSES)


def test_a_table_is_read_in_its_order(images: Path) -> None:
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
        (GOOD + "c.png,   ,pd\n", "1 of 3 rows of table.csv have no description: line 4"),
        (GOOD + "c.png\n", "no description"),
        (GOOD + "c.png,Text,gnb\n", "none of pd, d, ud: line 4"),
        (GOOD + "c.png,Text,3\n", "none of pd, d, ud: line 4"),
        (GOOD + "c.png,Text,2\n", "none of pd, d, ud: line 4.*Name the classes in all rows"),
        (GOOD + "./a.png,Text,pd\n", "line 4 ..*a.png. is the file of line 2 "),
        (GOOD + f"{'Round cells. ' * 30},a.png,pd\n", "not there: line 4.*does the column file_name"),
        (GOOD + "a\0.png,Text,pd\n", "not there: line 4"),
        (GOOD + "a.png,Text,pd\n", "another row names too: line 4 .a.png. is the file of line 2 .a.png."),
        (GOOD + "x.png,Text,pd\ny.png,Text,pd\n", "2 of 4 rows of table.csv name a file that is not there: lines 4, 5"),
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
    with pytest.raises(RequestError, match=r"9 of 11 rows .*: lines 4, 5, 6, \.\.\."):
        _read(images, GOOD + "".join(f"n{i}.png,Text,pd\n" for i in range(9)))


@pytest.mark.parametrize("text", ["nan", "NULL", "n/a", "None", ".", "\u200b", "#N/A", "<NA>", "123", "- "])
def test_words_for_nothing_are_no_description(images: Path, text: str) -> None:
    with pytest.raises(RequestError, match=r"1 of 3 rows of table\.csv have no description: line 4"):
        _read(images, f"{GOOD}c.png,{text},pd\n")


def test_an_image_under_another_name_is_found(images: Path) -> None:
    (images / "copy.png").write_bytes((images / "a.png").read_bytes())
    (images / "link.png").symlink_to(images / "a.png")
    text = "file_name,description,class,patient\na.png,Text,pd,P1\n"
    with pytest.raises(RequestError, match=r"line 3 \(copy.png\) has the content of line 2 \(a.png\)"):
        _read(images, text + "copy.png,Text,pd,P2\n")
    with pytest.raises(RequestError, match=r"line 3 \(link.png\) is the file of line 2 \(a.png\)"):
        _read(images, text + "link.png,Text,pd,P2\n")


def test_classes_may_be_numbered_and_what_was_made_of_it_is_told(images: Path) -> None:
    text = "file_name,description,class\na.png,Text,0\nc.png,Text,0\nsub/b.png,Text,2\n"
    cases = _read(images, text)
    assert [case.label for case in cases] == [0, 0, 2]
    told = counts_note(cases, CLASSES)
    assert told.startswith("0 = pd: 2 images, 1 = d: 0 images, 2 = ud: 1 images; the table numbers its classes")
    assert counts_note(_read(images, GOOD), CLASSES) == "pd: 1 images, d: 1 images, ud: 0 images"


def test_classes_that_are_called_by_numbers_are_names(images: Path) -> None:
    table = images.parent / "table.csv"
    table.write_text("file_name,description,class\na.png,Text,1\nc.png,Text,3\n", encoding="utf-8")
    assert [case.label for case in read_cases(table, images, ("1", "2", "3"))] == [0, 2]
    table.write_text("file_name,description,class\na.png,Text,0\nc.png,Text,3\n", encoding="utf-8")
    with pytest.raises(RequestError, match="none of 1, 2, 3: line 2"):
        read_cases(table, images, ("1", "2", "3"))


def test_a_patient_spelled_in_two_ways_is_one(images: Path) -> None:
    text = "file_name,description,class,patient\na.png,Text,pd,Mu\u0308ller\u00a0 A\nc.png,Text,pd,M\u00fcller A\n"
    assert {case.patient for case in _read(images, text)} == {"M\u00fcller A"}
    with pytest.raises(RequestError, match="such as the one of lines 2, 3") as caught:
        _read(images, text.replace("u\u0308", "U\u0308"))
    assert "ller" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["Diagnosis: poorly differentiated neuroblastoma (PD).", "Subtype: D.", "An undifferentiated tumour.", "PDNB."],
)
def test_a_label_reader_is_not_trained(images: Path, text: str) -> None:
    with pytest.raises(RequestError, match=r"1 of 3 descriptions in table.csv name a class: line 4 \(") as caught:
        _read(images, f"{GOOD}c.png,{text},pd\n")
    assert "class_words: allow" in caught.value.remedy
    cases = read_cases(images.parent / "table.csv", images, CLASSES, class_words="allow")
    assert naming_note(cases, CLASSES).startswith("1 of 3 descriptions name a class")
    assert naming_note(cases[:2], CLASSES) == ""


@pytest.mark.parametrize(
    "text", ["Differentiating neuroblasts are present.", "Undifferentiated mesenchymal stroma.", "PD-L1 is negative."]
)
def test_findings_may_be_described(images: Path, text: str) -> None:
    assert _read(images, f"{GOOD}c.png,{text},pd\n")[2].description == text
