"""What came out of an ablation: for a person, as a table, as JSON and as a picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_mmlnb.training.comparison import FEWEST_TRAININGS, Estimate, Metric, Verdict
from napari_mmlnb.training.image_level.ablation_picture import write_picture
from napari_mmlnb.training.image_level.claims import JUDGED_BY, Contender, Finding
from napari_mmlnb.training.image_level.config import SplitName
from napari_mmlnb.training.score_tables import finite, kappa_name, with_interval

_SPLIT_WORDS: Mapping[SplitName, str] = {
    "patient": "each training has a split of its own, the same for all arms",
    "given": "all trainings have the one split of the table, so nothing is said of other splits",
    "image_level_as_published": "all trainings have the one published split; patients are on both sides of it and the "
    "reported part chose the epoch, so the figures are too good",
}
_SHOWN: tuple[Metric, ...] = ("f1", "balanced_accuracy", "kappa", "auroc")


@dataclass(frozen=True)
class Ablation:
    """What came out.

    Parameters
    ----------
    split : str
        How the reported part was set apart: in the published one patients are on both sides.
    classes : tuple of str
        In the order that kappa rests on.
    seeds : int
        Trainings of each arm.
    arms : mapping
        Contender to metric to estimate.
    claims : tuple
        What came out of each.
    """

    split: SplitName
    classes: tuple[str, ...]
    seeds: int
    arms: dict[Contender, dict[Metric, Estimate]]
    claims: tuple[Finding, ...]


def told(ablation: Ablation) -> list[str]:
    """The arms and the claims in Markdown, for a person."""
    return [
        f"Split: {ablation.split}; {_SPLIT_WORDS[ablation.split]}.",
        f"Means over {_trainings(ablation.seeds)} of each arm, 95 % intervals over trainings and patients.",
        "",
        f"| arm | weighted F1 | balanced accuracy | {kappa_name(ablation.classes)} | AUROC |",
        "|---|---|---|---|---|",
        *(
            f"| {one.summary} | {' | '.join(_said(metrics[metric]) for metric in _SHOWN)} |"
            for one, metrics in ablation.arms.items()
        ),
        "",
        *_claims_told(ablation),
    ]


def _claims_told(ablation: Ablation) -> list[str]:
    count = len(ablation.claims)
    rows = []
    for one in ablation.claims:
        alone = f"{_p(one.gain.p)} | {_words(one.gain.verdict, ablation.seeds)}"
        of_all = f"{_p(one.p_of_all)} | {_words(one.verdict_of_all, ablation.seeds)}"
        rows.append(f"| {one.claim.text} | {one.claim.source} | {_said(one.gain, sign=True)} | {alone} | {of_all} |")
    return [
        f"| claim | whose | difference in weighted F1 | p | by itself | p, Holm | as one of {count} claims |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
        f"{count} claims were tested. By itself, a claim that is wrong is found to hold, or reversed, once in twenty "
        f"times; as one of {count}, once in twenty times any of them is. paper: its three claims, the first in two "
        "comparisons. ours: what the paper leaves open. exploratory: tried after the gates of the first run had been "
        "looked at; what is found there is to be confirmed on other data.",
    ]


def _trainings(count: int) -> str:
    return "1 training" if count == 1 else f"{count} trainings"


def _words(verdict: Verdict, trainings: int) -> str:
    few = trainings < FEWEST_TRAININGS
    return f"{verdict}: {trainings} of at least {FEWEST_TRAININGS}" if few else verdict


def _p(value: float) -> str:
    if finite(value) is None:
        return "none"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _said(one: Estimate, *, sign: bool = False) -> str:
    return with_interval(one.mean, one.interval, sign=sign)


def write_result(out: Path, ablation: Ablation) -> None:
    """Write `ablation.md`, `ablation.json`, `ablation.csv` and `ablation.svg`."""
    (out / "ablation.md").write_text("\n".join(told(ablation)) + "\n", encoding="utf-8")
    record = json.dumps(_record(ablation), indent=2, allow_nan=False)
    (out / "ablation.json").write_text(record + "\n", encoding="utf-8")
    with (out / "ablation.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arm", "metric", "mean", "low", "high"])
        for arm, metrics in ablation.arms.items():
            for name, one in metrics.items():
                values = (finite(value) for value in (one.mean, one.interval.low, one.interval.high))
                writer.writerow([arm.name, name, *("" if value is None else f"{value:.6f}" for value in values)])
    rows = {arm.summary: metrics[JUDGED_BY] for arm, metrics in ablation.arms.items()}
    write_picture(out / "ablation.svg", f"Weighted F1 on the reported part (split: {ablation.split})", rows)


def _record(ablation: Ablation) -> dict[str, object]:
    """For JSON, which knows no NaN: null stands where there is no figure."""
    return {
        "split": ablation.split,
        "split_is": _SPLIT_WORDS[ablation.split],
        "classes": list(ablation.classes),
        "seeds": ablation.seeds,
        "fewest_seeds_for_a_verdict": FEWEST_TRAININGS,
        "claims_tested": len(ablation.claims),
        "arms": {
            arm.name: {name: _figures(one) for name, one in metrics.items()} for arm, metrics in ablation.arms.items()
        },
        "claims": [_finding_record(one) for one in ablation.claims],
    }


def _finding_record(one: Finding) -> dict[str, object]:
    return {
        "text": one.claim.text,
        "source": one.claim.source,
        "better": one.claim.better.name,
        "worse": one.claim.worse.name,
        **_figures(one.gain),
        "metric": JUDGED_BY,
        "p": finite(one.gain.p),
        "verdict": one.gain.verdict,
        "p_holm": finite(one.p_of_all),
        "verdict_holm": one.verdict_of_all,
    }


def _figures(one: Estimate) -> dict[str, object]:
    low, high = finite(one.interval.low), finite(one.interval.high)
    return {"mean": finite(one.mean), "interval": None if low is None else {"low": low, "high": high}}
