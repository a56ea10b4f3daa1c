"""A bundle, measured on slides that it did not learn from: what it says, and when it does not say it."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from napari_mmlnb import __version__
from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.kept import kept_bundle
from napari_mmlnb.bundles.registry import bundle_folder
from napari_mmlnb.describe.measured import FACTS as MEASURED
from napari_mmlnb.errors import MmlnbError, OutputError
from napari_mmlnb.inference.runner import classify
from napari_mmlnb.inference.settings import RunSettings
from napari_mmlnb.result import Probabilities, RunResult
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.training.config import Config, read_as
from napari_mmlnb.training.score_tables import confusion_table, score_record, score_table
from napari_mmlnb.training.scores import score_with_intervals
from napari_mmlnb.training.slide_level.table import SlideCase, read_slide_cases

RECORD_FILE, TABLE_FILE, SLIDES_FILE = "evaluation.json", "evaluation.md", "slides.csv"


class SlideEvaluationConfig(Config):
    """The schema; paths count from the configuration's folder.

    Parameters
    ----------
    level : str
        "slide".
    name : str
        Of the folder that is written.
    model : str
        Name of a bundle, or its folder.
    table : Path
        CSV with `slide` (a path), `class` (an id of the bundle) and `patient`; and `mpp` where a file lacks its scale.
    """

    level: Literal["slide"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    model: str
    table: Path
    device: str = "auto"
    seed: int = 2024


@dataclass(frozen=True)
class _Answer:
    """What became of one slide; no result where it could not be read."""

    case: SlideCase
    label: str
    result: RunResult | None
    problem: str = ""

    def row(self) -> dict[str, object]:
        told = self.result
        p = told.probabilities if told is not None else None
        return {
            "slide": self.case.path.name,
            "class": self.label,
            "patient": self.case.patient,
            "decision": told.decision if told is not None else "failed",
            "prediction": (told.prediction or "") if told is not None else "",
            "reasons": " ".join(one.code for one in told.abstain_reasons) if told is not None else self.problem,
            **({f"fused_{name}": round(value, 6) for name, value in (p.fused or {}).items()} if p is not None else {}),
        }


def evaluate_slides(path: Path, out: Path, *, log: Callable[[str], None]) -> list[str]:
    """Classify every slide of a table, write the figures into ``out/NAME``, and give the table for a person.

    Scores are of the slides that were answered; the others are counted, by reason. Nothing is left out in silence.

    Raises
    ------
    RequestError, BundleError
        If the configuration, the table or the bundle is wrong.
    OutputError
        If nothing can be written there.
    """
    config = read_as(SlideEvaluationConfig, path)
    beside = path.parent / config.model
    bundle = kept_bundle(beside if beside.is_dir() else bundle_folder(config.model))
    cases = read_slide_cases(path.parent / config.table, bundle.spec.class_ids)
    answers = []
    for number, answer in enumerate(_answers(cases, bundle, config.device), start=1):
        answers.append(answer)
        log(f"{number} of {len(cases)}: {answer.row()['decision']}")
    lines, record = _told(answers, bundle, config.seed)
    folder = out / config.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECORD_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        (folder / TABLE_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
        rows = [answer.row() for answer in answers]
        with (folder / SLIDES_FILE).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, max((list(row) for row in rows), key=len))
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise OutputError(folder, error.strerror or "it cannot be written") from error
    return lines


def _answers(cases: tuple[SlideCase, ...], bundle: Bundle, device: str) -> Iterator[_Answer]:
    # The class does not rest on generated words: they would only take time.
    own = MEASURED.name if bundle.spec.describer == MEASURED.name else None
    settings = RunSettings(device=device, describer=own, cache_bytes=0)
    for case in cases:
        label = bundle.spec.class_ids[case.label]
        try:
            with open_slide(case.path, mpp=case.mpp) as slide:
                yield _Answer(case, label, classify(slide, bundle, settings=settings))
        except MmlnbError as error:  # the other slides go on; this one is counted
            yield _Answer(case, label, None, error.problem)


def _told(answers: list[_Answer], bundle: Bundle, seed: int) -> tuple[list[str], dict[str, object]]:
    ids = bundle.spec.class_ids
    results = [(one.case, one.result) for one in answers if one.result is not None]
    answered = [(case, result) for case, result in results if result.decision == "predict"]
    reasons = Counter(reason.code for _, result in results for reason in result.abstain_reasons)
    failed = len(answers) - len(results)
    head = [
        f"{bundle.spec.name} {bundle.spec.version} on {len(answers)} slides: {len(answered)} answered, "
        f"{len(results) - len(answered)} abstained, {failed} could not be read",
        *(f"- abstained for {code}: {count}" for code, count in sorted(reasons.items())),
    ]
    record: dict[str, object] = {
        "model": bundle.spec.name,
        "weights_sha256": bundle.weights_sha256,
        "version": __version__,
        "slides": len(answers),
        "answered": len(answered),
        "failed": failed,
        "abstained_for": dict(reasons),
    }
    if not answered:
        return [*head, "Nothing was answered, so there is nothing to score."], record
    labels = np.array([case.label for case, _ in answered], dtype=np.int64)
    groups = [case.patient for case, _ in answered]
    reports = {
        branch: score_with_intervals(labels, _matrix(branch, answered, ids), groups, seed=seed)
        for branch in ("fused", "image", "text")
    }
    held = sum(ids[case.label] in result.prediction_set for case, result in answered)
    lines = [
        *head,
        f"{held} of {len(answered)} prediction sets hold the truth ({bundle.calibration.coverage:.0%} wanted).",
        "",
        f"Scores of those that were answered, of {reports['fused'].groups} patients, 95 % intervals over patients",
        "",
        *score_table(reports, ids),
        "",
        *confusion_table(reports["fused"], ids),
    ]
    return lines, record | {"sets_that_hold": held, **{name: score_record(one) for name, one in reports.items()}}


def _matrix(branch: str, answered: list[tuple[SlideCase, RunResult]], ids: tuple[str, ...]) -> list[list[float]]:
    rows = []
    for _, result in answered:
        by_branch: Probabilities | None = result.probabilities
        of_branch: dict[str, float] = getattr(by_branch, branch) or {}
        rows.append([of_branch.get(name, 0.0) for name in ids])
    return rows
