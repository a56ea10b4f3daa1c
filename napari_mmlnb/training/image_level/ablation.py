"""Which part of the method carries it: every arm, with the same seeds on the same splits, and the claims tested.

The paper claims that two modalities are better than either alone, and that PRMF helps. Whether it does is said with an
interval, whatever comes out.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from napari_mmlnb.training.comparison import Estimate, Metric, Trial, differences, estimates
from napari_mmlnb.training.config import read_as
from napari_mmlnb.training.image_level.ablation_picture import write_picture
from napari_mmlnb.training.image_level.arms import ARMS, PRMF
from napari_mmlnb.training.image_level.config import ImageLevelConfig, SplitName
from napari_mmlnb.training.image_level.recipe import read_cohort, train_configured
from napari_mmlnb.training.scores import score

Log = Callable[[str], None]

JUDGED_BY: Metric = "f1"
"""As the paper selects its epochs."""


@dataclass(frozen=True)
class Claim:
    """That one arm is better than another."""

    text: str
    better: str
    worse: str


CLAIMS = (
    Claim("Both modalities are better than the image alone", PRMF, "image-only"),
    Claim("Both modalities are better than the text alone", PRMF, "text-only"),
    Claim("PRMF is better than concatenation", PRMF, "concatenation"),
    Claim("The curriculum helps PRMF", PRMF, "prmf-no-curriculum"),
)


@dataclass(frozen=True)
class Ablation:
    """What came out.

    Parameters
    ----------
    split : str
        How the reported part was set apart: in the published one patients are on both sides.
    seeds : int
        Trainings of each arm.
    arms : mapping
        Arm to metric to estimate.
    claims : tuple
        Each claim with the difference in weighted F1.
    """

    split: SplitName
    seeds: int
    arms: dict[str, dict[Metric, Estimate]]
    claims: tuple[tuple[Claim, Estimate], ...]


def ablate(path: Path, out: Path, *, seeds: int, log: Log) -> Ablation:
    """Train all arms and compare them.

    Parameters
    ----------
    path : Path
        A configuration at image level; its `arm`, `name` and `seed` are those of the first training only.
    out : Path
        Folder: ``runs/ARM-SEED`` each training, and `ablation.csv`, `ablation.md`, `ablation.json`, `ablation.svg`.
        What was trained there before is not trained again.
    seeds : int
        Trainings of each arm, each with a split of its own (the same for all arms).
    log : callable
        Told a line at a time.

    Returns
    -------
    Ablation
        What came out.

    Raises
    ------
    RequestError, OutputError, MissingExtraError
        As `train_images`.
    """
    config = read_as(ImageLevelConfig, path)
    cohort = read_cohort(config, path.parent)
    trials: dict[str, list[Trial]] = {arm.name: [] for arm in ARMS}
    for seed in range(config.seed, config.seed + seeds):
        for arm in ARMS:
            one = config.model_copy(update={"arm": arm.name, "seed": seed, "name": f"{arm.name}-{seed}"})
            outcome = train_configured(one, path.parent, cohort, out / "runs", log=_quiet)
            trials[arm.name].append(Trial(outcome.labels, outcome.said.fused, outcome.groups))
            log(f"seed {seed}, {arm.name}: weighted F1 {score(outcome.labels, outcome.said.fused).f1:.3f}")
    ablation = Ablation(
        config.split,
        seeds,
        {arm: estimates(of_arm) for arm, of_arm in trials.items()},
        tuple((claim, differences(trials[claim.better], trials[claim.worse])[JUDGED_BY]) for claim in CLAIMS),
    )
    _write(out, ablation)
    return ablation


def told(ablation: Ablation) -> list[str]:
    """The arms and the claims in Markdown, for a person."""
    lines = [
        f"Split: {ablation.split}. Means over {ablation.seeds} trainings, 95 % intervals over trainings and patients.",
        "",
        "| arm | weighted F1 | balanced accuracy | kappa | AUROC |",
        "|---|---|---|---|---|",
    ]
    for name, metrics in ablation.arms.items():
        cells = [_said(metrics[metric]) for metric in ("f1", "balanced_accuracy", "kappa", "auroc")]
        lines.append(f"| {ARMS.get(name).summary} | {' | '.join(cells)} |")
    lines += ["", "| claim | difference in weighted F1 | |", "|---|---|---|"]
    lines += [f"| {claim.text} | {_said(gain, sign=True)} | {gain.verdict} |" for claim, gain in ablation.claims]
    return lines


def _said(one: Estimate, *, sign: bool = False) -> str:
    plus = "+" if sign else ""
    return f"{one.mean:{plus}.3f} ({one.interval.low:{plus}.3f} to {one.interval.high:{plus}.3f})"


def _write(out: Path, ablation: Ablation) -> None:
    (out / "ablation.md").write_text("\n".join(told(ablation)) + "\n", encoding="utf-8")
    claims = [
        {**asdict(claim), **asdict(gain), "metric": JUDGED_BY, "verdict": gain.verdict}
        for claim, gain in ablation.claims
    ]
    arms = {arm: {name: asdict(one) for name, one in metrics.items()} for arm, metrics in ablation.arms.items()}
    record = {"split": ablation.split, "seeds": ablation.seeds, "arms": arms, "claims": claims}
    (out / "ablation.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    with (out / "ablation.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arm", "metric", "mean", "low", "high"])
        for arm, metrics in ablation.arms.items():
            for name, one in metrics.items():
                writer.writerow(
                    [arm, name, *(f"{value:.6f}" for value in (one.mean, one.interval.low, one.interval.high))]
                )
    rows = {ARMS.get(arm).summary: metrics[JUDGED_BY] for arm, metrics in ablation.arms.items()}
    write_picture(out / "ablation.svg", f"Weighted F1 on the reported part (split: {ablation.split})", rows)


def _quiet(_: str) -> None:
    """Each training writes a log of its own."""
