"""From a configuration to a bundle that answers."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
import yaml

from napari_mmlnb.bundles.registry import bundle_folder, load_bundle
from napari_mmlnb.errors import BundleError, OutputError, RequestError
from napari_mmlnb.inference.runner import classify
from napari_mmlnb.phantom.slide import write_phantom
from napari_mmlnb.phantom.truth import Subtype
from napari_mmlnb.training.slide_level.bags import Optics
from napari_mmlnb.training.slide_level.cohort import Cohort, CohortSlide, opened_slide
from napari_mmlnb.training.slide_level.recipe import calibrate_again, train_from_config
from napari_mmlnb.training.slide_level.selftest_tiles import selftest_tiles
from tests.training.slide_level.told_slides import TINY


def _write(folder: Path, **changes: object) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**TINY, **changes}))
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
    with pytest.raises(RequestError, match=r"another training: configuration\.summary"):
        train_from_config(_write(tmp_path, summary="Another."), tmp_path / "out", log=again.append)
    assert load_bundle(folder).weights_sha256 == bundle.weights_sha256
    with pytest.raises(RequestError, match="is for other"):
        calibrate_again(_write(tmp_path, name="other"), folder, tmp_path / "out", log=again.append)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"classes": [{"id": "x", "label": "x", "colour": "#000000"}] * 2}, "phantoms come as"),
        ({"optimiser": {"learning_rate": -1}}, r"optimiser\.learning_rate"),
        ({"surprise": 1}, "surprise"),
        ({"patience": 3}, "wrong at the file as a whole: patience needs slides to select on"),
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
    with pytest.raises(RequestError, match=r"not YAML \(line 1\)"):
        train_from_config(tmp_path / "broken.yaml", tmp_path, log=print)


def test_an_output_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="out"):
        train_from_config(_write(tmp_path), tmp_path / "out", log=print)


@pytest.fixture(scope="module")
def own_slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four slides of each class, each of a patient of its own, with their table."""
    folder = tmp_path_factory.mktemp("own")
    rows = ["slide,class,patient"]
    for number in range(12):
        subtype: Subtype = ("ud", "pd", "d")[number % 3]  # type: ignore[assignment]
        write_phantom(folder / f"Smith-{number}.tiff", subtype=subtype, seed=40 + number, size=(800, 800), mpp=0.5)
        rows.append(f"Smith-{number}.tiff,{subtype},Smith {number}")
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_slides_of_ones_own_are_split_by_patient_selected_and_reported(own_slides: Path, tmp_path: Path) -> None:
    cohort = {"kind": "slides", "table": str(own_slides / "cohort.csv")}
    lines: list[str] = []
    folder = train_from_config(_write(tmp_path, cohort=cohort), tmp_path / "out", log=lines.append)
    bundle = load_bundle(folder)
    record = json.loads((folder / "scores.json").read_text())
    for branch in ("fused", "image", "text"):
        assert record[branch]["patients"] == 3
        assert sum(map(sum, record[branch]["confusion"])) == 3
        low, high = record[branch]["intervals"]["f1"]
        assert 0 <= low <= high <= 1
    run = tmp_path / "out" / "tiny.run"
    rows = list(csv.DictReader((run / "predictions.csv").open(encoding="utf-8")))
    assert len(rows) == 3
    assert all(row["slide"].startswith("Smith") for row in rows), "whoever trains may look them up"
    assert len(list(csv.DictReader((run / "epochs.csv").open(encoding="utf-8")))) == 11
    assert list(run.glob("tensorboard/events*"))
    card = (folder / "MODEL_CARD.md").read_text()
    assert "12 slides of 12 patients" in card
    assert "It may not notice foreign slides" in bundle.spec.notice, "three slides tell nothing of what is foreign"
    assert "reported slides of 3 patients, 95 % intervals" in card
    assert "Synthetic" not in card
    texts = [path.read_text() for path in folder.iterdir() if path.suffix in {".md", ".log", ".json", ".yaml"}]
    assert not any("Smith" in text for text in (*texts, *lines)), "what is passed on names no patient"
    assert not any(str(own_slides) in text for text in texts), "nor where slides lie"
    answer = classify(own_slides / "Smith-0.tiff", bundle)
    assert answer.model.weights_sha256 == bundle.weights_sha256

    again: list[str] = []
    assert calibrate_again(tmp_path / "config.yaml", folder, tmp_path / "again", log=again.append).is_dir()
    assert json.loads((tmp_path / "again" / "tiny" / "scores.json").read_text()) == record
    with pytest.raises(RequestError, match="in other parts"):
        calibrate_again(_write(tmp_path, cohort=cohort, seed=7), folder, tmp_path / "others", log=again.append)
    table = (own_slides / "cohort.csv").read_text().replace("Smith 3", "Miller")
    (own_slides / "renamed.csv").write_text(table)
    cohort = {"kind": "slides", "table": str(own_slides / "renamed.csv")}
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "work").rglob("*.npy")}
    with pytest.raises(RequestError, match="table is another"):
        train_from_config(_write(tmp_path, cohort=cohort), tmp_path / "out", log=again.append)
    train_from_config(_write(tmp_path, cohort=cohort), tmp_path / "out", log=again.append, replace=True)
    assert load_bundle(tmp_path / "out" / "tiny.before-1").weights_sha256 == bundle.weights_sha256
    assert written == {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "work").rglob("*.npy")}, (
        "features outlive another table"
    )


def test_a_class_can_rest_on_the_words_of_a_describing_model(own_slides: Path, tmp_path: Path) -> None:
    describing = {"model": str(bundle_folder("nb-phantom") / "describer"), "name": "spoken", "licence": "BSD-3-Clause"}
    changes = {
        "cohort": {"kind": "slides", "table": str(own_slides / "cohort.csv")},
        "describer": "own",
        "describing": {**describing, "generation": {"temperature": 0, "repetition_penalty": 1, "max_new_tokens": 64}},
        "curriculum": {"image_first": 1, "joint": 2, "consolidate": 1},
    }
    folder = train_from_config(_write(tmp_path, **changes), tmp_path / "out", log=lambda _: None)
    bundle = load_bundle(folder)
    assert bundle.spec.describer == "own"
    assert bundle.spec.describing is not None
    assert bundle.spec.describing.name == "spoken"
    answer = classify(own_slides / "Smith-1.tiff", bundle)
    assert answer.generated is not None
    assert answer.generated.describer == "spoken"
    assert answer.generated.fused, "the class rests on its words"
    with pytest.raises(RequestError, match="were written by own"):
        measured = {name: value for name, value in changes.items() if not name.startswith("descri")}
        calibrate_again(_write(tmp_path, **measured), folder, tmp_path / "again", log=lambda _: None)
    said = next((tmp_path / "out" / "work").rglob("words-*.jsonl")).read_text()
    assert len(said.splitlines()) >= 24
    train_from_config(_write(tmp_path, **changes), tmp_path / "out", log=lambda _: None)
    assert next((tmp_path / "out" / "work").rglob("words-*.jsonl")).read_text() == said, "nothing is asked twice"
    assert load_bundle(folder).weights_sha256 == bundle.weights_sha256


@pytest.mark.parametrize(
    "changes",
    [{"describer": "own"}, {"describing": {"model": "m", "name": "n", "licence": "l"}}],
    ids=["no model", "idle"],
)
def test_describer_and_describing_go_together(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(RequestError, match="describing"):
        train_from_config(_write(tmp_path, **changes), tmp_path / "out", log=print)


@pytest.mark.parametrize("describer", ["server", "/models/vlm"])
def test_a_class_cannot_rest_on_a_model_that_may_change(tmp_path: Path, describer: str) -> None:
    with pytest.raises(RequestError, match="cannot rest on the words of"):
        train_from_config(_write(tmp_path, describer=describer), tmp_path / "out", log=print)


def test_a_describing_model_that_no_bundle_may_hold_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(bundle_folder("nb-phantom") / "describer", model)
    (model / "pytorch_model.bin").write_bytes(b"")
    describing = {"model": "model", "name": "spoken", "licence": "BSD-3-Clause"}
    with pytest.raises(BundleError, match=r"pytorch_model\.bin .* has no place in a bundle"):
        train_from_config(_write(tmp_path, describer="own", describing=describing), tmp_path / "out", log=print)
    assert not (tmp_path / "out" / "work").exists()


def test_a_slide_that_is_lost_on_the_way_is_told_by_its_row(tmp_path: Path) -> None:
    slide = CohortSlide(tmp_path / "Smith.tiff", 0, "train", "Smith", "row 7", "content")
    with pytest.raises(RequestError, match=r"The slide of row 7 cannot be used") as caught, opened_slide(slide):
        pass
    assert "Smith" not in str(caught.value)


def test_no_picture_of_a_patient_is_among_the_tiles_for_the_self_test(tmp_path: Path) -> None:
    slide = CohortSlide(tmp_path / "nowhere.tiff", 0, "calibration", "Smith", "row 2", "content")
    optics = Optics(tile_px=224, um_per_px=0.5, tissue_um_per_px=8.0, min_tissue=0.5)
    tiles = selftest_tiles(Cohort((slide,), "", real=True), optics, tmp_path, 4)
    assert [tile.rgb.shape for tile in tiles] == [(224, 224, 3)] * 4
