"""From a configuration to a bundle that answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from napari_mmlnb.bundles.registry import load_bundle
from napari_mmlnb.errors import OutputError, RequestError
from napari_mmlnb.inference.runner import classify
from napari_mmlnb.training.recipe import calibrate_again, train_from_config

CONFIG = {
    "name": "tiny",
    "version": "0",
    "summary": "A training in miniature.",
    "notice": "For tests.",
    "task": "Subtype of phantoms",
    "licence": "BSD-3-Clause",
    "classes": [
        {"id": "ud", "label": "undifferentiated", "colour": "#CC3311"},
        {"id": "pd", "label": "poorly differentiated", "colour": "#EE7733"},
        {"id": "d", "label": "differentiating", "colour": "#0077BB"},
    ],
    "cohort": {
        "kind": "phantom",
        "train_per_class": 1,
        "calibration_per_class": 1,
        "first_seed": 1,
        "size_px": [1100, 1100],
    },
    "model": {"image": 32, "text": 16, "text_layers": 1, "vocabulary": 120},
    "curriculum": {"image_first": 4, "joint": 5, "consolidate": 2},
}


def _write(folder: Path, **changes: object) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**CONFIG, **changes}))
    return path


def test_training_makes_a_bundle_with_its_card_and_log_and_goes_on_where_it_was(tmp_path: Path) -> None:
    lines: list[str] = []
    folder = train_from_config(_write(tmp_path), tmp_path / "out", log=lines.append)
    bundle = load_bundle(folder)
    assert bundle.spec.class_ids == ("ud", "pd", "d")
    card = (folder / "MODEL_CARD.md").read_text()
    assert "For tests." in card
    assert "Research use only" in card
    assert (folder / "train.log").read_text().splitlines() == lines
    assert (folder / "train.yaml").read_text() == (tmp_path / "config.yaml").read_text()
    slide = next((tmp_path / "out" / "work").glob("*/slides/*.tiff"))
    assert classify(slide, bundle).model.weights_sha256 == bundle.weights_sha256

    again: list[str] = []
    train_from_config(_write(tmp_path), tmp_path / "out", log=again.append)
    assert not any("rendered" in line for line in again), "what was rendered is kept"
    assert load_bundle(folder).weights_sha256 == bundle.weights_sha256, "the same seed gives the same weights"

    for name in ("calibration.json", "statistics.safetensors"):
        (folder / name).rename(folder / f"{name}.first")
    assert calibrate_again(tmp_path / "config.yaml", folder, tmp_path / "out", log=again.append) == folder
    for name in ("calibration.json", "statistics.safetensors"):
        first = (folder / f"{name}.first").read_bytes()
        assert (folder / name).read_bytes() == first, "calibrated alone it is what the training made"
    assert load_bundle(folder).weights_sha256 == bundle.weights_sha256
    with pytest.raises(RequestError, match="is for other"):
        calibrate_again(_write(tmp_path, name="other"), folder, tmp_path / "out", log=again.append)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"classes": [{"id": "x", "label": "x", "colour": "#000000"}] * 2}, "phantoms come as"),
        ({"optimiser": {"learning_rate": -1}}, r"optimiser\.learning_rate"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_configuration_names_the_field(tmp_path: Path, changes: dict[str, object], field: str) -> None:
    with pytest.raises(RequestError, match=field):
        train_from_config(_write(tmp_path, **changes), tmp_path / "out", log=print)
    assert not (tmp_path / "out").exists()


def test_a_missing_or_broken_configuration(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"nowhere\.yaml"):
        train_from_config(tmp_path / "nowhere.yaml", tmp_path, log=print)
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(RequestError, match="not YAML"):
        train_from_config(tmp_path / "broken.yaml", tmp_path, log=print)


def test_an_output_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="out"):
        train_from_config(_write(tmp_path), tmp_path / "out", log=print)
