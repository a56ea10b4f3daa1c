"""The published recipe on a small folder: what it writes, what learns when, and that a stop costs nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from napari_mmlnb.errors import OutputError, RequestError, UnknownNameError
from napari_mmlnb.models.towers.image import build_image_tower
from napari_mmlnb.training.config import read_as
from napari_mmlnb.training.image_level.config import ImageLevelConfig
from napari_mmlnb.training.image_level.recipe import train_images
from tests.training.image_level.made import COLOURS, configuration, image_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return image_folder(tmp_path / "data")


def _train(folder: Path, out: Path, **changes: object) -> tuple[Path, list[str]]:
    lines: list[str] = []
    return train_images(configuration(folder, **changes), out, log=lines.append), lines


def test_what_is_learned_is_scored_on_patients_that_were_not_seen(folder: Path, tmp_path: Path) -> None:
    made, lines = _train(folder, tmp_path, curriculum={"image_first": 6, "joint": 6, "consolidate": 4})
    scores = json.loads((made / "scores.json").read_text())
    assert scores["split"] == "patient"
    assert scores["fused"]["scores"]["f1"] >= 0.8
    low, high = scores["fused"]["intervals"]["f1"]
    assert low <= scores["fused"]["scores"]["f1"] <= high
    assert 0 < scores["gate_mean"] < 1
    said = list(csv.DictReader((made / "predictions.csv").open(encoding="utf-8")))
    assert len(said) == scores["fused"]["cases"]
    assert all(sum(float(row[f"fused_{one}"]) for one in COLOURS) == pytest.approx(1, abs=1e-4) for row in said)
    assert {"model.safetensors", "tokenizer.json", "train.yaml", "epochs.csv", "tensorboard"} <= {
        file.name for file in made.iterdir()
    }
    assert (made / "train.log").read_text().splitlines() == lines


def test_the_log_says_what_learned_with_which_weight(folder: Path, tmp_path: Path) -> None:
    made, lines = _train(folder, tmp_path)
    rows = list(csv.DictReader((made / "epochs.csv").open(encoding="utf-8")))
    assert [row["phase"] for row in rows] == ["image first"] * 2 + ["joint"] * 2 + ["consolidate"] * 2
    assert [(row["image_learns"], row["text_learns"]) for row in rows] == (
        [("True", "False")] * 2 + [("True", "True")] * 2 + [("False", "False")] * 2
    )
    epochs = [line for line in lines if line.startswith("epoch")]
    assert "alpha 0.30 learning: image, fusion and head" in epochs[0]
    assert "alpha 1.00 learning: fusion and head" in epochs[5]
    assert lines[0] == "pd: 8 images, d: 8 images, ud: 8 images"


@pytest.mark.slow
def test_all_150_epochs_as_published(folder: Path, tmp_path: Path) -> None:
    """Frozen parts and alpha, epoch by epoch, as methods.md gives them."""
    made, _ = _train(folder, tmp_path, curriculum={}, checkpoint_epochs=50)
    rows = list(csv.DictReader((made / "epochs.csv").open(encoding="utf-8")))
    assert len(rows) == 150
    for e, row in enumerate(rows):
        alpha = 0.30 if e < 50 else 0.30 + 0.14 * ((e - 50) // 10) if e < 100 else 1.0
        assert float(row["alpha"]) == pytest.approx(alpha), e
        assert (row["text_learns"] == "True") == (50 <= e < 100), e
        assert (row["image_learns"] == "True") == (e < 100), e


@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_a_training_that_was_stopped_ends_as_one_that_was_not(folder: Path, tmp_path: Path, stop_after: int) -> None:
    whole, _ = _train(folder, tmp_path / "whole")

    class StopError(Exception):
        pass

    def stop(line: str) -> None:
        if line.startswith(f"epoch {stop_after + 1:3d}"):
            raise StopError

    with pytest.raises(StopError):
        train_images(configuration(folder), tmp_path / "torn", log=stop)
    resumed, lines = _train(folder, tmp_path / "torn")
    assert f"going on after epoch {stop_after}" in lines
    one, other = (load_file(made / "model.safetensors") for made in (whole, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)
    for name in ("scores.json", "epochs.csv", "predictions.csv"):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()


def test_another_configuration_never_goes_on_from_a_checkpoint(folder: Path, tmp_path: Path) -> None:
    """Half done, it would leave the old weights beside the new classes: every answer under another name."""
    made, _ = _train(folder, tmp_path)
    before = {file.name: file.read_bytes() for file in made.iterdir() if file.is_file()}
    for change in ({"learning_rate": 1e-3}, {"classes": ["ud", "pd", "d"]}):
        with pytest.raises(RequestError, match="holds another training: configuration"):
            _train(folder, tmp_path, **change)
    assert {file.name: file.read_bytes() for file in made.iterdir() if file.is_file()} == before
    lines: list[str] = []
    train_images(configuration(folder, learning_rate=1e-3), tmp_path, log=lines.append, replace=True)
    assert not any("going on" in line for line in lines)
    assert (tmp_path / "small.before-1" / "model.safetensors").read_bytes() == before["model.safetensors"]


def test_other_pixels_under_the_same_names_are_another_training(folder: Path, tmp_path: Path) -> None:
    _train(folder, tmp_path)
    with Image.open(folder / "images" / "p00-0.png") as image:
        mended = image.rotate(180)
    mended.save(folder / "images" / "p00-0.png")
    with pytest.raises(RequestError, match="images is another"):
        _train(folder, tmp_path)


def test_other_weights_under_the_same_name_are_another_training(folder: Path, tmp_path: Path) -> None:
    image = {"name": "small", "weights": "tower.safetensors"}
    for seed in (1, 2):
        torch.manual_seed(seed)
        save_file(build_image_tower("small").state_dict(), folder / "tower.safetensors")
        if seed == 1:
            _train(folder, tmp_path, image=image)
    with pytest.raises(RequestError, match="image weights is another"):
        _train(folder, tmp_path, image=image)


def test_how_often_it_is_kept_may_change_on_the_way(folder: Path, tmp_path: Path) -> None:
    _train(folder, tmp_path)
    _, lines = _train(folder, tmp_path, checkpoint_epochs=3)
    assert not any(line.startswith("epoch") for line in lines), "it was over"


def test_a_full_disk_ends_in_a_sentence(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object, file: object) -> None:
        file.write(b"half of it")
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")

    monkeypatch.setattr("napari_mmlnb.training.state_file.torch.save", full)
    with pytest.raises(OutputError, match=r"checkpoint\.pt.*the disk may be full"):
        _train(folder, tmp_path)
    assert not list((tmp_path / "small").glob("checkpoint*"))


def test_an_arm_without_an_image_reports_no_answer_of_one(folder: Path, tmp_path: Path) -> None:
    made, _ = _train(folder, tmp_path, arm="text-only")
    assert "image" not in json.loads((made / "scores.json").read_text())
    rows = list(csv.DictReader((made / "predictions.csv").open(encoding="utf-8")))
    assert not any(column.startswith("image_") for column in rows[0])
    card = (made / "MODEL_CARD.md").read_text()
    assert "Towers: text small, from nothing" in card


def test_a_damaged_checkpoint_is_begun_anew(folder: Path, tmp_path: Path) -> None:
    made, _ = _train(folder, tmp_path)
    (made / "checkpoint.pt").write_bytes(b"nonsense")
    _, lines = _train(folder, tmp_path)
    assert not any("going on" in line for line in lines)


def test_patience_ends_the_last_phase(folder: Path, tmp_path: Path) -> None:
    short = {"patience": 2, "curriculum": {"image_first": 3, "joint": 3, "consolidate": 40}}
    made, lines = _train(folder, tmp_path, **short)
    assert any("ends here" in line for line in lines)
    epochs, scores = (made / "epochs.csv").read_bytes(), (made / "scores.json").read_bytes()
    _, again = _train(folder, tmp_path, **short)
    assert not any(line.startswith("epoch") for line in again), "it was over"
    assert ((made / "epochs.csv").read_bytes(), (made / "scores.json").read_bytes()) == (epochs, scores)


def test_a_tower_starts_from_given_weights_and_from_no_others(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    tower = build_image_tower("small").state_dict()
    save_file({**tower, "head.weight": torch.zeros(3, 64)}, folder / "tower.safetensors")
    image = {"name": "small", "weights": "tower.safetensors"}
    one, _ = _train(folder, tmp_path / "a", image=image)
    other, _ = _train(folder, tmp_path / "b")
    assert not torch.equal(*(load_file(made / "model.safetensors")["image.maps.0.weight"] for made in (one, other)))
    save_file({"something.else": torch.zeros(1)}, folder / "tower.safetensors")
    with pytest.raises(RequestError, match="not those of small"):
        _train(folder, tmp_path / "c", image=image)


def test_without_patients_nothing_is_trained_but_under_the_name_that_says_so(folder: Path, tmp_path: Path) -> None:
    table = folder / "table.csv"
    table.write_text("\n".join(line.rsplit(",", 1)[0] for line in table.read_text().splitlines()) + "\n")
    with pytest.raises(RequestError, match="24 of 24 rows of the table name no patient"):
        _train(folder, tmp_path)
    made, lines = _train(folder, tmp_path, split="image_level_as_published")
    assert any("split image_level_as_published" in line for line in lines)
    assert json.loads((made / "scores.json").read_text())["split"] == "image_level_as_published"


def test_an_image_that_cannot_be_read_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "images" / "p03-1.png").write_bytes(b"no picture")
    with pytest.raises(RequestError, match=r"1 of 24 images cannot be read, the first is p03-1\.png"):
        _train(folder, tmp_path)


def test_the_configuration_in_the_documentation_is_the_papers() -> None:
    config = read_as(ImageLevelConfig, Path(__file__).parents[3] / "docs" / "image-level.yaml")
    assert (config.image.name, config.text.name, config.text.max_tokens) == ("vgg16", "bert-base", 128)
    assert (config.learning_rate, config.batch, config.seed, config.patience) == (1e-4, 32, 2024, None)
    assert list(config.curriculum.model_dump().values()) == [50, 50, 50]


@pytest.mark.parametrize(
    ("image", "error", "said"),
    [
        ("vgg17", UnknownNameError, "vgg17"),
        ("timm:nonesuch", UnknownNameError, "nonesuch"),
        ("timm:vit_tiny_patch16_224", RequestError, "no feature maps"),
    ],
)
def test_a_tower_that_is_none_is_refused(folder: Path, tmp_path: Path, image: str, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        _train(folder, tmp_path, image={"name": image})
