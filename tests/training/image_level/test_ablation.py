"""Every arm is trained on the same splits, and every claim is said with its interval."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

from napari_mmlnb.models.towers.image import build_image_tower
from napari_mmlnb.models.towers.text import TEXT_TOWERS
from napari_mmlnb.training.comparison import METRICS
from napari_mmlnb.training.image_level.ablation import ablate
from napari_mmlnb.training.image_level.ablation_result import told
from napari_mmlnb.training.image_level.arms import ARMS
from napari_mmlnb.training.image_level.claims import CLAIMS
from napari_mmlnb.training.image_level.recipe import train_images
from tests.training.image_level.made import configuration, image_folder

SHORT = {"curriculum": {"image_first": 1, "joint": 1, "consolidate": 1}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("ablation")
    config = configuration(image_folder(folder / "data"), **SHORT)
    lines = told(ablate(config, folder / "out", seeds=2, log=lambda line: None))
    return folder, lines


def _no_nan(word: str) -> None:
    pytest.fail(f"{word} is no JSON")


def test_every_arm_has_every_metric_and_every_claim_a_verdict(made: tuple[Path, list[str]]) -> None:
    folder, lines = made
    record = json.loads((folder / "out" / "ablation.json").read_text(), parse_constant=_no_nan)
    assert record["split"] == "patient"
    assert "patient" in lines[0]
    assert set(record["arms"]) == set(ARMS.names)
    assert all(set(metrics) == set(METRICS) for metrics in record["arms"].values())
    assert [claim["text"] for claim in record["claims"]] == [one.text for one in CLAIMS if one.worse.text is None]
    known = [claim["interval"] for claim in record["claims"] if claim["interval"]]
    assert all(interval["low"] <= interval["high"] for interval in known)
    assert {claim["verdict"] for claim in record["claims"]} == {"too few trainings for a verdict"}
    assert any("too few trainings for a verdict: 2 of at least 5" in line for line in lines)
    assert any("kappa (pd < d < ud)" in line for line in lines), "the order that kappa rests on"
    rows = list(csv.DictReader((folder / "out" / "ablation.csv").open(encoding="utf-8")))
    assert len(rows) == len(ARMS) * len(METRICS)
    assert (folder / "out" / "ablation.md").read_text().splitlines() == lines
    assert (folder / "out" / "ablation.svg").read_text().count("<circle") == len(ARMS)


def test_the_arms_of_a_seed_report_on_the_same_patients_and_seeds_on_others(made: tuple[Path, list[str]]) -> None:
    folder, _ = made
    reported: dict[str, set[str]] = {}
    for run in (folder / "out" / "runs").iterdir():
        rows = csv.DictReader((run / "predictions.csv").open(encoding="utf-8"))
        reported.setdefault(run.name.rsplit("-", 1)[1], set()).add(",".join(row["file_name"] for row in rows))
    assert {len(sets) for sets in reported.values()} == {1}
    assert len(set.union(*reported.values())) == 2


def test_what_was_trained_is_not_trained_again(made: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, lines = made
    monkeypatch.setattr(
        "napari_mmlnb.training.image_level.recipe.train_epoch", lambda *_: pytest.fail("everything is trained")
    )
    assert told(ablate(folder / "data" / "train.yaml", folder / "out", seeds=2, log=lambda line: None)) == lines


@pytest.mark.parametrize("arm", ARMS.names)
def test_every_arm_can_be_trained_by_itself(arm: str, tmp_path: Path) -> None:
    config = configuration(image_folder(tmp_path / "data"), arm=arm, **SHORT)
    lines: list[str] = []
    folder = train_images(config, tmp_path, log=lines.append)
    scores = json.loads((folder / "scores.json").read_text(), parse_constant=_no_nan)
    assert scores["fused"]["cases"] > 0
    has_gate = arm.startswith("prmf")
    assert (scores["gate_mean"] is not None) == has_gate
    assert any(" gate 0." in line for line in lines) == has_gate, "no number for what is not there"
    rows = csv.DictReader((folder / "predictions.csv").open(encoding="utf-8"))
    assert {bool(row["gate"]) for row in rows} == {has_gate}


@pytest.mark.parametrize(("arm", "blind_to"), [("image-only", "text"), ("text-only", "image")])
def test_an_arm_of_one_modality_does_not_look_at_the_other(arm: str, blind_to: str) -> None:
    torch.manual_seed(0)
    model = ARMS.get(arm).network(build_image_tower("small"), TEXT_TOWERS.get("small").build(20), 3).eval()
    pixels, ids = torch.randn(2, 3, 224, 224), torch.randint(1, 20, (2, 5))
    before = model(pixels, ids).fused
    other = (pixels, torch.randint(1, 20, (2, 5))) if blind_to == "text" else (torch.randn_like(pixels), ids)
    assert torch.equal(model(*other).fused, before)
    assert not list(model.get_submodule(blind_to).parameters())
