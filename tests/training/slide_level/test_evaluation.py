"""A bundle on a table of slides: every slide is accounted for, answered or not."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml

from napari_mmlnb.bundles.spec import LimitsSpec
from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.slide_level.evaluation import evaluate_slides
from tests.bundle_factory import make_bundle


@pytest.fixture
def folder(tmp_path: Path, small_slide: Path) -> Path:
    make_bundle(tmp_path / "bundle", limits=LimitsSpec(min_probability=0.0))
    (tmp_path / "one.tiff").symlink_to(small_slide)
    (tmp_path / "broken.tiff").write_bytes(b"no slide")
    return tmp_path


def _table(folder: Path, *rows: tuple[str, str, str]) -> Path:
    with (folder / "slides.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([("slide", "class", "patient"), *rows])
    path = folder / "evaluation.yaml"
    path.write_text(yaml.safe_dump({"level": "slide", "name": "seen", "model": "bundle", "table": "slides.csv"}))
    return path


def test_answers_and_failures_are_told_apart(folder: Path) -> None:
    config = _table(folder, ("one.tiff", "kind-1", "A"), ("broken.tiff", "kind-2", "B"))
    lines = evaluate_slides(config, folder / "out", log=lambda _: None)
    assert lines[0].endswith("on 2 slides: 1 answered, 0 abstained, 1 could not be read")
    record = json.loads((folder / "out" / "seen" / "evaluation.json").read_text())
    assert (record["answered"], record["failed"]) == (1, 1)
    assert sum(map(sum, record["fused"]["confusion"])) == 1
    rows = {row["slide"]: row for row in csv.DictReader((folder / "out" / "seen" / "slides.csv").open())}
    assert rows["broken.tiff"]["decision"] == "failed"
    assert rows["broken.tiff"]["reasons"]
    assert sum(float(rows["one.tiff"][f"fused_kind-{i}"]) for i in (1, 2, 3)) == pytest.approx(1, abs=1e-4)


def test_where_nothing_is_answered_nothing_is_scored(folder: Path) -> None:
    lines = evaluate_slides(_table(folder, ("broken.tiff", "kind-2", "B")), folder / "out", log=lambda _: None)
    assert "nothing to score" in lines[-1]


@pytest.mark.parametrize("row", [("one.tiff", "kind-9", "A"), ("one.tiff", "kind-1", "")])
def test_unknown_classes_and_missing_patients_are_refused(folder: Path, row: tuple[str, str, str]) -> None:
    with pytest.raises(RequestError, match="line 2"):
        evaluate_slides(_table(folder, row), folder / "out", log=lambda _: None)
