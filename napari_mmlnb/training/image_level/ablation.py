"""Which part of the method carries it: every arm, with the same seeds on the same splits, and the claims tested.

The paper claims that two modalities are better than either alone, that the describing model's fine-tuning helps, and
that PRMF does. Whether they hold is said with an interval, whatever comes out.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.comparison import Estimate, Metric, Trial, differences, estimates
from napari_mmlnb.training.config import read_as
from napari_mmlnb.training.image_level.ablation_picture import write_picture
from napari_mmlnb.training.image_level.arms import ARMS, GATE_LAST, PRMF
from napari_mmlnb.training.image_level.config import AblationConfig, ImageLevelConfig, SplitName, TextKind
from napari_mmlnb.training.image_level.recipe import ImageCohort, read_cohort, train_configured
from napari_mmlnb.training.image_level.table import read_cases
from napari_mmlnb.training.scores import score

Log = Callable[[str], None]

JUDGED_BY: Metric = "f1"
"""As the paper selects its epochs."""


@dataclass(frozen=True)
class Contender:
    """What is trained: an arm, on one kind of descriptions.

    Parameters
    ----------
    arm : str
        Of `ARMS`.
    text : str
        Key of `AblationConfig.texts`; empty for the descriptions of `data.table`.
    """

    arm: str
    text: TextKind | None = None

    @property
    def name(self) -> str:
        """For files and tables."""
        return self.arm if self.text is None else f"{self.arm}-{self.text}-text"

    @property
    def summary(self) -> str:
        """For a person."""
        summary = ARMS.get(self.arm).summary
        return summary if self.text is None else f"{summary}; {_TEXT_WORDS[self.text]}"


_TEXT_WORDS: dict[TextKind, str] = {
    "untuned": "text of the describing model before its fine-tuning",
    "measured": "measured text in place of generated",
}


@dataclass(frozen=True)
class Claim:
    """That one contender is better than another."""

    text: str
    better: Contender
    worse: Contender


_PRMF, _GATE_LAST = Contender(PRMF), Contender(GATE_LAST)
_IMAGE, _TEXT, _CONCATENATION = Contender("image-only"), Contender("text-only"), Contender("concatenation")

CLAIMS = (
    Claim("Both modalities are better than the image alone", _PRMF, _IMAGE),
    Claim("Both modalities are better than the text alone", _PRMF, _TEXT),
    Claim("The describing model's fine-tuning helps", _PRMF, Contender(PRMF, "untuned")),
    Claim("PRMF is better than concatenation", _PRMF, _CONCATENATION),
    Claim("The curriculum helps PRMF", _PRMF, Contender("prmf-no-curriculum")),
    Claim("Generated text is better than measured text", _PRMF, Contender(PRMF, "measured")),
    Claim("PRMF is better when its gate learns last", _GATE_LAST, _PRMF),
    Claim("Gate last: both modalities are better than the image alone", _GATE_LAST, _IMAGE),
    Claim("Gate last: both modalities are better than the text alone", _GATE_LAST, _TEXT),
    Claim("Gate last: the describing model's fine-tuning helps", _GATE_LAST, Contender(GATE_LAST, "untuned")),
    Claim("Gate last: PRMF is better than concatenation", _GATE_LAST, _CONCATENATION),
    Claim("Gate last: generated text is better than measured text", _GATE_LAST, Contender(GATE_LAST, "measured")),
)
"""Those of the paper; what our own order of learning changes of them; and whether a describing model was needed."""


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
        Contender to metric to estimate.
    claims : tuple
        Each claim with the difference in weighted F1.
    """

    split: SplitName
    seeds: int
    arms: dict[Contender, dict[Metric, Estimate]]
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
    RequestError, OutputError
        As `train_images`.
    """
    config = read_as(AblationConfig, path)
    cohorts = _cohorts(config, path.parent)
    retold = (Contender(arm, kind) for arm in (PRMF, GATE_LAST) for kind in config.texts)
    contenders = (*(Contender(arm.name) for arm in ARMS), *retold)
    trials: dict[Contender, list[Trial]] = {contender: [] for contender in contenders}
    plain = {name: value for name, value in config.model_dump().items() if name != "texts"}
    for seed in range(config.seed, config.seed + seeds):
        for one in contenders:
            named = plain | {"arm": one.arm, "seed": seed, "name": f"{one.name}-{seed}"}
            training = ImageLevelConfig.model_validate(named)
            outcome = train_configured(training, path.parent, cohorts[one.text], out / "runs", log=_quiet)
            trials[one].append(Trial(outcome.labels, outcome.said.fused, outcome.groups))
            log(f"seed {seed}, {one.name}: weighted F1 {score(outcome.labels, outcome.said.fused).f1:.3f}")
    ablation = Ablation(
        config.split,
        seeds,
        {one: estimates(of_one) for one, of_one in trials.items()},
        tuple(
            (claim, differences(trials[claim.better], trials[claim.worse])[JUDGED_BY])
            for claim in CLAIMS
            if claim.worse in trials
        ),
    )
    _write(out, ablation)
    return ablation


def _cohorts(config: AblationConfig, base: Path) -> dict[TextKind | None, ImageCohort]:
    """The images once, and their cases with each kind of descriptions.

    Raises
    ------
    RequestError
        If a table is wrong, or is not of the same images, classes and patients.
    """
    main = read_cohort(config, base)
    cohorts: dict[TextKind | None, ImageCohort] = {None: main}
    for kind, path in config.texts.items():
        cases = read_cases(base / path, base / config.data.images, config.classes)
        if [replace(case, description="") for case in cases] != [replace(case, description="") for case in main.cases]:
            raise RequestError(
                f"The table {path.name} is not of the same images as {config.data.table.name}.",
                "Make it from that table, with `mmlnb describe`.",
            )
        cohorts[kind] = ImageCohort(cases, main.pixels, file_sha256(base / path))
    return cohorts


def told(ablation: Ablation) -> list[str]:
    """The arms and the claims in Markdown, for a person."""
    lines = [
        f"Split: {ablation.split}. Means over {ablation.seeds} trainings, 95 % intervals over trainings and patients.",
        "",
        "| arm | weighted F1 | balanced accuracy | kappa | AUROC |",
        "|---|---|---|---|---|",
    ]
    for one, metrics in ablation.arms.items():
        cells = [_said(metrics[metric]) for metric in ("f1", "balanced_accuracy", "kappa", "auroc")]
        lines.append(f"| {one.summary} | {' | '.join(cells)} |")
    lines += ["", "| claim | difference in weighted F1 | |", "|---|---|---|"]
    lines += [f"| {claim.text} | {_said(gain, sign=True)} | {gain.verdict} |" for claim, gain in ablation.claims]
    return lines


def _said(one: Estimate, *, sign: bool = False) -> str:
    plus = "+" if sign else ""
    return f"{one.mean:{plus}.3f} ({one.interval.low:{plus}.3f} to {one.interval.high:{plus}.3f})"


def _write(out: Path, ablation: Ablation) -> None:
    (out / "ablation.md").write_text("\n".join(told(ablation)) + "\n", encoding="utf-8")
    claims = [
        {"text": claim.text, "better": claim.better.name, "worse": claim.worse.name}
        | asdict(gain)
        | {"metric": JUDGED_BY, "verdict": gain.verdict}
        for claim, gain in ablation.claims
    ]
    arms = {arm.name: {name: asdict(one) for name, one in metrics.items()} for arm, metrics in ablation.arms.items()}
    record = {"split": ablation.split, "seeds": ablation.seeds, "arms": arms, "claims": claims}
    (out / "ablation.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    with (out / "ablation.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arm", "metric", "mean", "low", "high"])
        for arm, metrics in ablation.arms.items():
            for name, one in metrics.items():
                writer.writerow(
                    [arm.name, name, *(f"{value:.6f}" for value in (one.mean, one.interval.low, one.interval.high))]
                )
    rows = {arm.summary: metrics[JUDGED_BY] for arm, metrics in ablation.arms.items()}
    write_picture(out / "ablation.svg", f"Weighted F1 on the reported part (split: {ablation.split})", rows)


def _quiet(_: str) -> None:
    """Each training writes a log of its own."""
