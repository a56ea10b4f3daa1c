"""Phantoms as a folder of images: what `mmlnb train` takes at image level."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_mmlnb.errors import OutputError
from napari_mmlnb.phantom.attributes import ATTRIBUTES
from napari_mmlnb.phantom.captions import read_caption
from napari_mmlnb.training.image_level.phantom_folder import PhantomFolderPlan, make_phantom_folder
from napari_mmlnb.training.image_level.table import read_cases

CLASSES = ("ud", "pd", "d")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms") / "data"
    lines: list[str] = []
    count = make_phantom_folder(folder, PhantomFolderPlan(1, 3, 7, size_px=1024), workers=2, log=lines.append)
    assert count == len(list((folder / "images").iterdir()))
    assert lines == ["3 of 3 phantoms"]
    return folder


def test_it_is_what_the_recipe_reads(folder: Path) -> None:
    cases = read_cases(folder / "table.csv", folder / "images", CLASSES)
    assert set(Counter(case.label for case in cases)) == {0, 1, 2}
    assert {case.patient for case in cases} == {"phantom-7", "phantom-8", "phantom-9"}
    assert all(Counter(case.patient for case in cases)[patient] <= 3 for patient in {case.patient for case in cases})
    for case in cases:
        with Image.open(case.path) as image:
            assert image.size == (224, 224)
            assert np.asarray(image).mean() < 230, "tissue, and no glass"


def test_no_description_names_a_class(folder: Path) -> None:
    words = ("undifferentiated", "poorly differentiated", "differentiating", "subtype", "neuroblastoma")
    for row in csv.DictReader((folder / "table.csv").open(encoding="utf-8")):
        assert not any(word in row["description"].lower() for word in words), row["description"]


def test_a_table_that_is_there_is_never_replaced(folder: Path) -> None:
    with pytest.raises(OutputError, match="exists already"):
        make_phantom_folder(folder, PhantomFolderPlan(1, 1, 0), workers=1, log=print)


def test_the_same_seed_gives_the_same_images(folder: Path, tmp_path: Path) -> None:
    make_phantom_folder(tmp_path, PhantomFolderPlan(1, 3, 7, size_px=1024), workers=1, log=lambda line: None)
    assert (tmp_path / "table.csv").read_bytes() == (folder / "table.csv").read_bytes()
    for image in (folder / "images").iterdir():
        assert (tmp_path / "images" / image.name).read_bytes() == image.read_bytes()


def test_texts_of_truth_and_of_a_made_up_file_name_no_class(tmp_path: Path, folder: Path) -> None:
    said = {}
    for text in ("truth", "clinical"):
        plan = PhantomFolderPlan(1, 3, 7, size_px=1024, text=text)
        make_phantom_folder(tmp_path / text, plan, workers=2, log=lambda _: None)
        said[text] = read_cases(tmp_path / text / "table.csv", tmp_path / text / "images", CLASSES)
        for case in said[text]:
            assert not {"ud", "pd", "undifferentiated", "differentiated"} & set(case.description.lower().split())
    assert all(len(read_caption(case.description)) == len(ATTRIBUTES) for case in said["truth"])
    by_patient = {(case.patient, case.description) for case in said["clinical"]}
    assert len(by_patient) == 3, "a patient has one file"
