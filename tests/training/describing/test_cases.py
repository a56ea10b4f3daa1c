"""Tables that a hospital might bring, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.config import read_as
from napari_mmlnb.training.describing.cases import read_described, table_notes
from napari_mmlnb.training.describing.class_words import ClassWords
from napari_mmlnb.training.describing.config import DescribingConfig
from napari_mmlnb.training.describing.images import check_images
from tests.training.describing.tiny import LABELS, configuration, read_table, write_table

Row = dict[str, str]


def _read(folder: Path, **changes: object):
    return read_described(read_as(DescribingConfig, configuration(folder, Path("x"), **changes)), folder)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda row: row.update(file_name="gone.png"), "not there"),
        (lambda row: row.update({"class": "xx"}), "none of pd, d, ud"),
        (lambda row: row.update(description=" "), "no description"),
        (lambda row: row.update(patient=""), "name no patient"),
        (lambda row: row.update(description="Poorly-differentiated cells."), r"line 3 \('Poorly-differentiated'\)"),
        (lambda row: row.update(description="Looks like PD."), r"line 3 \('PD'\)"),
    ],
    ids=["missing file", "unknown class", "empty", "no patient", "names its class", "names its class in short"],
)
def test_a_bad_table_is_refused(folder: Path, spoil: Callable[[Row], None], said: str) -> None:
    rows = read_table(folder)
    spoil(rows[1])
    write_table(folder, rows)
    with pytest.raises(RequestError, match=said):
        _read(folder)


def test_a_patient_on_both_sides_is_refused(folder: Path) -> None:
    rows = read_table(folder)
    parts = ("train", "train", "selection", "report")
    for row in rows:
        row["split"] = parts[int(row["patient"][1:]) % 4]
    write_table(folder, rows)
    read = _read(folder, split="given")
    split = read.split
    assert "not used" in table_notes(read_as(DescribingConfig, configuration(folder, Path("x"))), read.cases)[1]
    assert {rows[row]["split"] for row in split.report} == {"report"}
    rows[0]["split"] = "report"
    write_table(folder, rows)
    with pytest.raises(RequestError, match="1 of 12 patients are in more than one part"):
        _read(folder, split="given")


def test_no_patient_is_in_two_parts(folder: Path) -> None:
    read = _read(folder)
    parts = [{read.cases[row].patient for row in rows} for rows in (read.split.train, read.split.report)]
    assert not parts[0] & parts[1]
    assert read.naming_a_class == 0


def test_class_words_may_be_allowed_and_are_counted(folder: Path) -> None:
    rows = read_table(folder)
    for row in rows[:4]:
        row["description"] += " A differentiating tumour."
    write_table(folder, rows)
    with pytest.raises(RequestError, match="4 of 24 descriptions"):
        _read(folder)
    assert _read(folder, class_words="allow").naming_a_class == 4


def test_a_prompt_that_names_a_class_is_refused(folder: Path) -> None:
    with pytest.raises(RequestError, match="prompt names the class 'undifferentiated'"):
        _read(folder, prompt="Is this undifferentiated?")


def test_an_image_that_cannot_be_read_is_told_before_anything_is_learned(folder: Path) -> None:
    (folder / "images" / "p03-1.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(RequestError, match=r"1 of 24 images cannot be read, the first is p03-1\.png"):
        check_images(_read(folder).cases)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Undifferentiated cells.", "Undifferentiated"),
        ("poorly  differentiated", "poorly  differentiated"),
        ("Well differentiated cells, CD56.", ""),
        ("Differentiating cells are present. No necrosis.", ""),
        ("No necrosis. A differentiating tumour.", "differentiating"),
        ("A PD-L1 stain and a d-dimer.", ""),
        ("Type UD", "UD"),
        ("Subtype: D.", "d"),
        ("Sheets with poor differentiation.", "poorly differentiated"),
        ("It is un-differentiated.", "undifferentiated"),
        ("The tumour is pd.", "pd"),
        ("Poorly diff. tumour. No necrosis.", "poorly differentiated"),
        ("PD, without necrosis.", "PD"),
        ("Undifferentiated mesenchymal stroma.", ""),
        ("they are undifferentiatedly packed", ""),
    ],
)
def test_class_words_are_whole_words(text: str, named: str) -> None:
    assert ClassWords(LABELS).named(text) == named


def test_the_documented_configuration_is_the_released_codes() -> None:
    config = read_as(DescribingConfig, Path(__file__).parents[3] / "docs" / "finetune-vlm.yaml")
    lora = config.lora
    assert (lora.r, lora.alpha, lora.dropout, lora.bias, lora.targets) == (64, 16, 0.05, "none", "as_published")
    assert (config.epochs, config.batch, config.accumulation, config.learning_rate) == (5, 4, 4, 1e-4)
    assert (config.image_px, config.max_length, config.gradient_checkpointing) == (256, 8192, True)
