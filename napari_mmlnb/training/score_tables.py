"""Scores as Markdown, for cards and evaluations; and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict

from napari_mmlnb.training.scores import ScoreReport

_SHOWN = ("accuracy", "balanced_accuracy", "kappa", "f1", "precision", "recall", "auroc")


def score_table(reports: Mapping[str, ScoreReport]) -> list[str]:
    """Metrics with their 95 % intervals, a column a branch, in Markdown."""
    lines = [f"| metric | {' | '.join(reports)} |", "|" + "---|" * (len(reports) + 1)]
    for metric in _SHOWN:
        cells = []
        for report in reports.values():
            interval = report.intervals[metric]
            cells.append(f"{getattr(report.scores, metric):.3f} ({interval.low:.3f} to {interval.high:.3f})")
        lines.append(f"| {metric} | {' | '.join(cells)} |")
    return lines


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
