"""What a trained bundle is worth: its answers for the slides that nothing was chosen or fitted on."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.calibration import Branch
from napari_mmlnb.describe.base import Describer
from napari_mmlnb.training.score_tables import score_record
from napari_mmlnb.training.scores import ScoreReport, score_with_intervals
from napari_mmlnb.training.slide_level.bags import Optics, SlideBag
from napari_mmlnb.training.slide_level.calibrate import SlideLogits
from napari_mmlnb.training.slide_level.calibration_stage import answer_cohort

SCORES_FILE, PREDICTIONS_FILE = "scores.json", "predictions.csv"
BRANCHES: tuple[Branch, ...] = ("fused", "image", "text")


@dataclass(frozen=True)
class SlideReport:
    """Scores on the reported slides, none of them held back: whether the bundle would have abstained is not asked.

    Parameters
    ----------
    scores : dict of str to ScoreReport
        By branch, of calibrated probabilities, with intervals over patients.
    gate : float
        Mean: how far the text was trusted.
    held, set_size : float
        Share of the slides whose prediction set holds the truth, and how many classes a set has in the mean: one with
        all of them always does.
    """

    scores: dict[str, ScoreReport]
    gate: float
    held: float
    set_size: float


def report_slides(
    bundle: Bundle,
    bags: tuple[SlideBag, ...],
    describer: Describer,
    optics: Optics,
    run: Path,
    seed: int,
    log: Callable[[str], None],
) -> SlideReport:
    """Score the reported slides.

    `scores.json` becomes part of the bundle; `predictions.csv`, which names slides and patients, stays beside it.

    Parameters
    ----------
    bundle : Bundle
        Calibrated.
    bags : tuple of SlideBag
        The reported slides, at least one.
    describer, optics
        As in training.
    run : Path
        Folder of the run.
    seed : int
        Of the bootstrap.
    log : callable
        Told a line a branch.
    """
    _, said = answer_cohort(bundle, bags, describer, optics, log)
    p = {branch: _calibrated(bundle, branch, said) for branch in BRANCHES}
    patients = [bag.slide.patient for bag in bags]
    scores: dict[str, ScoreReport] = {
        branch: score_with_intervals(said.labels, p[branch], patients, seed=seed) for branch in BRANCHES
    }
    sets = [bundle.calibration.prediction_set(row) for row in p["fused"]]
    held = float(np.mean([label in one for label, one in zip(said.labels.tolist(), sets, strict=True)]))
    report = SlideReport(scores, float(said.gate.mean()), held, float(np.mean([len(one) for one in sets])))
    record: dict[str, object] = {"gate_mean": report.gate, "sets_that_hold": held, "set_size": report.set_size}
    record |= {branch: score_record(one) for branch, one in scores.items()}
    (bundle.folder / SCORES_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    _write_predictions(run / PREDICTIONS_FILE, bundle, bags, p, said.gate)
    for name, one in scores.items():
        f1 = one.intervals["f1"]
        log(
            f"{name}: weighted F1 {one.scores.f1:.3f} (95 % {f1.low:.3f} to {f1.high:.3f}), balanced accuracy "
            f"{one.scores.balanced_accuracy:.3f}, on {one.cases} reported slides of {one.groups} patients"
        )
    return report


def _calibrated(bundle: Bundle, branch: Branch, said: SlideLogits) -> npt.NDArray[np.float64]:
    return np.stack([bundle.calibration.probabilities(branch, z.astype(np.float32)) for z in said.by_branch[branch]])


def _write_predictions(
    path: Path,
    bundle: Bundle,
    bags: tuple[SlideBag, ...],
    p: dict[Branch, npt.NDArray[np.float64]],
    gate: npt.NDArray[np.float64],
) -> None:
    ids = bundle.spec.class_ids
    with path.open("w", encoding="utf-8", newline="") as file:
        columns = [f"{branch}_{class_id}" for branch in BRANCHES for class_id in ids]
        writer = csv.writer(file)
        writer.writerow(["slide", "patient", "class", "predicted", *columns, "gate"])
        for i, bag in enumerate(bags):
            told = [round(float(value), 6) for branch in BRANCHES for value in p[branch][i]]
            row = [bag.slide.path.name, bag.slide.patient, ids[bag.slide.label], ids[int(p["fused"][i].argmax())]]
            writer.writerow([*row, *told, round(float(gate[i]), 6)])
