"""A network that was trained answers the same when it is read back; its card says where its figures come from."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml

from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.image_level.evaluation import evaluate_images
from napari_mmlnb.training.image_level.recipe import train_images
from tests.training.image_level.made import configuration, image_folder

SHORT = {"curriculum": {"image_first": 1, "joint": 1, "consolidate": 1}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    train_images(configuration(image_folder(folder / "data"), **SHORT), folder / "out", log=lambda _: None)
    return folder


def _evaluation(folder: Path, table: str) -> Path:
    path = folder / "evaluation.yaml"
    data = {"table": f"data/{table}", "images": "data/images"}
    path.write_text(yaml.safe_dump({"level": "image", "name": "again", "model": "out/small", "data": data}))
    return path


def test_the_reported_cases_get_the_figures_of_the_training(trained: Path) -> None:
    reported = {row["file_name"] for row in csv.DictReader((trained / "out" / "small" / "predictions.csv").open())}
    rows = list(csv.DictReader((trained / "data" / "table.csv").open(encoding="utf-8")))
    with (trained / "data" / "report.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row for row in rows if row["file_name"] in reported)
    lines = evaluate_images(_evaluation(trained, "report.csv"), trained / "evaluated", log=lambda _: None)
    found = json.loads((trained / "evaluated" / "again" / "evaluation.json").read_text())
    scores = json.loads((trained / "out" / "small" / "scores.json").read_text())
    for branch in ("fused", "image"):
        assert found[branch]["scores"] == pytest.approx(scores[branch]["scores"], nan_ok=True)
        assert found[branch]["confusion"] == scores[branch]["confusion"]
    assert f"{len(reported)} images" in lines[0]


def test_weights_of_another_network_are_refused(trained: Path, tmp_path: Path) -> None:
    told = yaml.safe_load((trained / "out" / "small" / "train.yaml").read_text())
    other = trained / "out" / "other"
    other.mkdir()
    for name in ("model.safetensors", "tokenizer.json"):
        (other / name).write_bytes((trained / "out" / "small" / name).read_bytes())
    (other / "train.yaml").write_text(yaml.safe_dump(told | {"arm": "concatenation"}))
    config = _evaluation(trained, "table.csv")
    config.write_text(config.read_text().replace("out/small", "out/other"))
    with pytest.raises(RequestError, match="does not hold what mmlnb train wrote"):
        evaluate_images(config, tmp_path, log=lambda _: None)


def test_images_that_it_learned_from_are_refused_under_any_name(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"\d+ of 24 images were learned from or chose the epoch"):
        evaluate_images(_evaluation(trained, "table.csv"), tmp_path, log=lambda _: None)
    known = {row["file_name"] for row in csv.DictReader((trained / "data" / "table.csv").open(encoding="utf-8"))}
    known -= {row["file_name"] for row in csv.DictReader((trained / "out" / "small" / "predictions.csv").open())}
    (trained / "data" / "images" / "copy.png").write_bytes((trained / "data" / "images" / min(known)).read_bytes())
    (trained / "data" / "copies.csv").write_text("file_name,description,class,patient\ncopy.png,Some words.,pd,New\n")
    with pytest.raises(RequestError, match=r"1 of 1 images were learned from.*the first is copy\.png"):
        evaluate_images(_evaluation(trained, "copies.csv"), tmp_path, log=lambda _: None)


def test_the_card_tells_data_figures_and_limits(trained: Path) -> None:
    card = (trained / "out" / "small" / "MODEL_CARD.md").read_text(encoding="utf-8")
    scores = json.loads((trained / "out" / "small" / "scores.json").read_text())
    assert f"{scores['fused']['scores']['f1']:.3f}" in card
    for words in ("Research use only", "split: patient", "is in two parts", "Limits", "does not abstain"):
        assert words in card


def test_the_card_of_the_published_split_warns(tmp_path: Path) -> None:
    config = configuration(image_folder(tmp_path / "data"), split="image_level_as_published", **SHORT)
    folder = train_images(config, tmp_path / "out", log=lambda _: None)
    assert "the figures are too good" in (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
