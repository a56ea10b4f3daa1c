"""Scores as Markdown, for cards and evaluations; and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from napari_mmlnb.training.intervals import Interval
from napari_mmlnb.training.scores import ScoreReport

_SHOWN = ("accuracy", "balanced_accuracy", "kappa", "f1", "precision", "recall", "auroc")


def score_table(reports: Mapping[str, ScoreReport], classes: Sequence[str] = ()) -> list[str]:
    """Metrics with their 95 % intervals, a column a branch, in Markdown.

    Parameters
    ----------
    reports : mapping of str to ScoreReport
        By branch, at least one.
    classes : sequence of str
        In the order of their numbers, to say which order kappa rests on.
    """
    lines = [f"| metric | {' | '.join(reports)} |", "|" + "---|" * (len(reports) + 1)]
    for metric in _SHOWN:
        cells = [with_interval(getattr(report.scores, metric), report.intervals[metric]) for report in reports.values()]
        name = kappa_name(classes) if metric == "kappa" else metric
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, *_caution(next(iter(reports.values())))]


FEW_PATIENTS = 20


def _caution(report: ScoreReport) -> list[str]:
    if report.groups >= FEW_PATIENTS:
        return []
    patients = "1 patient" if report.groups == 1 else f"{report.groups} patients"
    return ["", f"{patients}: so few tell little, and the intervals are as wide as that makes them."]


def kappa_name(classes: Sequence[str]) -> str:
    """Kappa with the order that it rests on: it counts steps between classes, so another order gives another kappa."""
    return f"kappa ({' < '.join(classes)})" if classes else "kappa (classes in their order)"


def with_interval(value: float, interval: Interval, *, sign: bool = False) -> str:
    """A figure and its interval, in words where there is none."""
    plus = "+" if sign else ""
    if not math.isfinite(value):
        return "not defined here"
    if not math.isfinite(interval.low):
        return f"{value:{plus}.3f} (no interval)"
    return f"{value:{plus}.3f} ({interval.low:{plus}.3f} to {interval.high:{plus}.3f})"


def confusion_table(report: ScoreReport, classes: tuple[str, ...]) -> list[str]:
    """True classes by row, answers by column, in Markdown."""
    lines = [f"| truth \\ answer | {' | '.join(classes)} |", "|" + "---|" * (len(classes) + 1)]
    rows = report.confusion.tolist()
    return [
        *lines,
        *(f"| {name} | {' | '.join(map(str, row))} |" for name, row in zip(classes, rows, strict=True)),
    ]


def score_record(report: ScoreReport) -> dict[str, object]:
    """Scores and intervals for JSON, which knows no NaN."""
    return {
        "scores": {name: finite(value) for name, value in asdict(report.scores).items()},
        "intervals": {name: [finite(one.low), finite(one.high)] for name, one in report.intervals.items()},
        "confusion": report.confusion.tolist(),
        "cases": report.cases,
        "patients": report.groups,
    }


def finite(value: float) -> float | None:
    """A number as JSON knows it; None for NaN and infinities."""
    return value if math.isfinite(value) else None
