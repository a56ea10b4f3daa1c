"""A claim is judged by itself and as one of all; the tables say how many, whose, and on what split."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_mmlnb.training.comparison import Trial, estimates
from napari_mmlnb.training.image_level.ablation_result import Ablation, told, write_result
from napari_mmlnb.training.image_level.claims import CLAIMS, Contender, findings
from napari_mmlnb.training.image_level.config import SplitName

NAMES = ("ud", "pd", "d")


def _trials(skill: float, seeds: int, seed: int) -> list[Trial]:
    random = np.random.default_rng(seed)
    truth = np.arange(60) // 2 % 3
    trials = []
    for _ in range(seeds):
        said = np.where(random.random(60) < skill, truth, (truth + 1) % 3)
        trials.append(Trial(truth, np.eye(3)[said], tuple(f"p{i // 2}" for i in range(60))))
    return trials


def _ablation(seeds: int = 5, split: SplitName = "patient", skills: dict[str, float] | None = None) -> Ablation:
    """All arms alike, but for the skills that are given; no other texts."""
    skills = skills or {}
    names = dict.fromkeys(one.name for claim in CLAIMS for one in (claim.better, claim.worse) if one.text is None)
    trials = {
        Contender(name): _trials(skills.get(name, 0.7), seeds, number) for number, name in enumerate(names, start=1)
    }
    arms = {one: estimates(of_one, rounds=60) for one, of_one in trials.items()}
    return Ablation(split, NAMES, seeds, arms, findings(trials))


def test_a_large_difference_holds_by_itself_and_as_one_of_all() -> None:
    found = {one.claim.text: one for one in _ablation(skills={"image-only": 0.35}).claims}
    image = found["Both modalities are better than the image alone"]
    assert (image.gain.verdict, image.verdict_of_all) == ("holds", "holds")
    assert all(one.p_of_all >= one.gain.p for one in found.values())


def test_only_claims_whose_texts_are_there_are_tested_and_counted() -> None:
    ablation = _ablation()
    assert len(ablation.claims) == 8
    lines = told(ablation)
    assert any("as one of 8 claims" in line for line in lines)
    assert any(line.startswith("8 claims were tested") for line in lines)


def test_the_claims_of_the_paper_are_told_from_ours_and_from_afterthoughts() -> None:
    assert [one.source for one in CLAIMS] == ["paper"] * 4 + ["ours"] * 2 + ["exploratory"] * 6
    lines = told(_ablation())
    assert any(line.startswith("| PRMF is better when its gate learns last | exploratory |") for line in lines)


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ("patient", "each training has a split of its own"),
        ("given", "the one split of the table"),
        ("image_level_as_published", "patients are on both sides"),
    ],
)
def test_the_table_says_what_the_split_is(split: SplitName, words: str) -> None:
    line = told(_ablation(split=split))[0]
    assert words in line
    assert ("of its own" in line) == (split == "patient")


def test_a_single_training_has_no_interval_no_p_and_no_verdict(tmp_path: Path) -> None:
    ablation = _ablation(seeds=1)
    write_result(tmp_path, ablation)
    text = (tmp_path / "ablation.md").read_text(encoding="utf-8")
    assert "too few trainings for a verdict: 1 of at least 5" in text
    assert "(no interval)" in text
    assert "nan" not in text
    record = json.loads((tmp_path / "ablation.json").read_text(), parse_constant=pytest.fail)
    assert all(claim["interval"] is None and claim["p"] is None for claim in record["claims"])
    assert record["arms"]["prmf"]["f1"]["interval"] is None
    assert "nan" not in (tmp_path / "ablation.csv").read_text()
    assert "nan" not in (tmp_path / "ablation.svg").read_text()
