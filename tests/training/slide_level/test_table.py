"""A table of slides is checked whole before anything is learned, and says rows, not names."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.slide_level.cohort import Cohort
from napari_mmlnb.training.slide_level.config import SlideCohortConfig
from napari_mmlnb.training.slide_level.table import read_cohort
from tests.slides.made import tissue_picture, write_tiff

IDS = ("ud", "pd", "d")
SPLIT = ("train", "selection", "calibration", "report")


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve small slides, each different."""
    folder = tmp_path_factory.mktemp("slides")
    for number in range(12):
        write_tiff(folder / f"s{number}.tiff", picture=tissue_picture(200 + number, 240), downsamples=())
    return folder


def _rows() -> list[dict[str, str]]:
    return [
        {"slide": f"s{n}.tiff", "class": IDS[n % 3], "patient": f"Smith {n}", "mpp": "", "split": SPLIT[n // 3]}
        for n in range(12)
    ]


def _read(folder: Path, rows: list[dict[str, str]], split: str = "patient", log: list[str] | None = None) -> Cohort:
    with (folder / "cohort.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    config = SlideCohortConfig.model_validate({"kind": "slides", "table": "cohort.csv", "split": split})
    return read_cohort(config, IDS, folder, 0, (log if log is not None else []).append)


def test_every_part_has_every_class_and_no_patient_is_named(slides: Path) -> None:
    log: list[str] = []
    cohort = _read(slides, _rows(), log=log)
    assert cohort.real
    assert {(slide.part, slide.label) for slide in cohort.slides} == {(p, c) for p in SPLIT for c in range(3)}
    assert "the table's column split is filled in 12 of 12 rows and is not used" in log.pop(0)
    assert log[0] == "12 slides of 12 patients; 3 train, 3 selection, 3 calibration, 3 report"
    assert log[1] == "ud: 4 slides, pd: 4 slides, d: 4 slides"
    assert "only 3 of 12 slides are learned from" in log[2]
    assert not any("Smith" in text for text in (cohort.told, *log, *(slide.name for slide in cohort.slides)))
    assert [slide.name for slide in cohort.slides[:2]] == ["line 2", "line 3"]


def test_a_given_split_is_taken_as_it_is(slides: Path) -> None:
    cohort = _read(slides, _rows(), split="given")
    assert [slide.part for slide in cohort.slides] == [SPLIT[n // 3] for n in range(12)]


def test_a_class_may_be_a_number_and_a_scale_may_be_given(slides: Path) -> None:
    rows = [row | {"class": str(IDS.index(row["class"]))} for row in _rows()]
    rows[1] |= {"mpp": "0.25"}
    log: list[str] = []
    cohort = _read(slides, rows, log=log)
    assert "0 = ud: 4 slides, 1 = pd: 4 slides, 2 = d: 4 slides" in log[2]
    assert (cohort.slides[1].label, cohort.slides[1].mpp, cohort.slides[0].mpp) == (1, 0.25, None)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"patient": ""}, "name no patient: line 4"),
        ({"class": "ganglioneuroma"}, "a class that is none of ud, pd, d: line 4"),
        ({"slide": "nowhere.svs"}, "a slide that is not there: line 4"),
        ({"slide": "x" * 300}, "a slide that is not there: line 4"),
        ({"slide": "s2\0.tiff"}, "a slide that is not there: line 4"),
        ({"class": "1"}, "a class that is none of ud, pd, d: line 4"),
        ({"patient": "smith  5"}, "spelled with small and with capital letters, such as the one of lines 4, 7"),
        ({"slide": "./s1.tiff"}, "another row names too: lines 3, 4"),
        ({"mpp": "fine"}, "no scale in the column mpp"),
        ({"mpp": "-1"}, "no scale in the column mpp"),
    ],
)
def test_wrong_rows_are_told_by_number(slides: Path, change: dict[str, str], what: str) -> None:
    rows = _rows()
    rows[2] |= change
    with pytest.raises(RequestError, match=what) as caught:
        _read(slides, rows)
    assert "Smith" not in str(caught.value)


def test_the_same_slide_under_two_names_would_be_learned_and_reported(slides: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copied"
    shutil.copytree(slides, folder)
    shutil.copyfile(folder / "s0.tiff", folder / "s11.tiff")
    with pytest.raises(RequestError, match=r"1 of 12 slides .* Line 13: It is the slide of line 2 under another name"):
        _read(folder, _rows())


def test_slides_that_cannot_be_opened_or_have_no_scale_are_refused_before_hours_of_work(
    slides: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(slides, folder)
    (folder / "s3.tiff").write_bytes(b"no slide")
    write_tiff(folder / "s5.tiff", picture=tissue_picture(205, 240), downsamples=(), mpp=None)
    with pytest.raises(RequestError, match=r"2 of 12 slides of cohort.csv cannot be used. Line 5: .* Line 7") as caught:
        _read(folder, _rows())
    assert "mpp" in caught.value.remedy
    rows = [row for number, row in enumerate(_rows()) if number != 3]
    rows[4] |= {"mpp": "0.5"}
    rows.append({"slide": "s3.tiff", "class": "ud", "patient": "Smith 3", "mpp": "", "split": "train"})
    shutil.copyfile(slides / "s3.tiff", folder / "s3.tiff")
    assert len(_read(folder, rows).slides) == 12


def test_a_given_split_with_a_patient_in_two_parts_is_refused(slides: Path) -> None:
    rows = _rows()
    rows[3] |= {"patient": "Smith 0"}
    with pytest.raises(RequestError, match=r"1 of 11 patients are in more than one part") as caught:
        _read(slides, rows, split="given")
    assert "Smith" not in str(caught.value)
    assert len({s.part for s in _read(slides, [*_rows()[:3], *_rows()[3:]]).slides if s.patient == "Smith 0"}) == 1


def test_a_patient_spelled_in_two_ways_is_one(slides: Path) -> None:
    rows = _rows()
    rows[0] |= {"patient": "Mu\u0308ller  1"}
    rows[3] |= {"patient": "M\u00fcller 1"}
    with pytest.raises(RequestError, match=r"1 of 11 patients are in more than one part"):
        _read(slides, rows, split="given")


def test_a_given_split_needs_every_class_in_every_part(slides: Path) -> None:
    rows = _rows()
    rows[11] |= {"split": "train"}
    with pytest.raises(RequestError, match=r"nothing of the class d in the part report"):
        _read(slides, rows, split="given")


def test_the_digest_is_of_the_slides_and_their_parts_and_not_of_their_names(slides: Path, tmp_path: Path) -> None:
    first = _read(slides, _rows(), split="given").digest
    renamed = tmp_path / "renamed"
    shutil.copytree(slides, renamed)
    (renamed / "s0.tiff").rename(renamed / "other.tiff")
    rows = _rows()[::-1]
    rows[11] |= {"slide": "other.tiff", "patient": "Miller"}
    assert _read(renamed, rows, split="given").digest == first
    rows[0], rows[2] = rows[0] | {"class": "ud"}, rows[2] | {"class": "d"}
    assert _read(renamed, rows, split="given").digest != first
