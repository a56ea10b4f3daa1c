"""The model card, written from the run that made the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from napari_mmlnb import __version__
from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.calibration import Calibration
from napari_mmlnb.bundles.spec import CARD_FILE
from napari_mmlnb.describe.measured import FACTS as MEASURED
from napari_mmlnb.describe.registry import OWN
from napari_mmlnb.result import RESEARCH_USE
from napari_mmlnb.training.metrics import confusion_matrix
from napari_mmlnb.training.score_tables import confusion_table, score_table
from napari_mmlnb.training.slide_level.calibrate import COOLEST, HOTTEST, SlideLogits, at_its_bound
from napari_mmlnb.training.slide_level.cohort import Cohort
from napari_mmlnb.training.slide_level.config import TrainConfig
from napari_mmlnb.training.slide_level.report import SlideReport
from napari_mmlnb.training.splits import SlidePart

_PARTS: Mapping[SlidePart, str] = MappingProxyType(
    {"train": "to learn", "selection": "to select the epoch", "calibration": "to calibrate", "report": "to report"}
)


@dataclass(frozen=True)
class Measured:
    """What the run measured.

    Parameters
    ----------
    slides : dict of str to int
        By part, those with tissue.
    calibration : SlideLogits
        Of the calibration slides.
    report : SlideReport, optional
        Of the reported slides, where there are any.
    epoch : int, optional
        Which one was kept; None where nothing was trained in this run.
    """

    slides: Mapping[SlidePart, int]
    calibration: SlideLogits
    report: SlideReport | None
    epoch: int | None


def write_card(bundle: Bundle, config: TrainConfig, cohort: Cohort, measured: Measured) -> None:
    """Write `MODEL_CARD.md`; every figure in it was measured in this run."""
    (bundle.folder / CARD_FILE).write_text("\n".join(_card(bundle, config, cohort, measured)), encoding="utf-8")


def _card(bundle: Bundle, config: TrainConfig, cohort: Cohort, measured: Measured) -> list[str]:
    spec = bundle.spec
    own = spec.describing
    describer = (
        f"{spec.describer} ({own.name}, {own.licence})" if own is not None and spec.describer == OWN else spec.describer
    )
    return [
        f"# {spec.name} {spec.version}",
        "",
        f"**{RESEARCH_USE}**",
        "",
        f"**{spec.notice}**",
        "",
        spec.summary,
        "",
        "## What it is",
        "",
        f"- Task: {spec.task}",
        "- Classes: " + "; ".join(f"{c.label} (`{c.id}`)" for c in spec.classes),
        f"- System: {spec.system.name}; encoder {spec.encoder.name} ({spec.encoder.licence}), "
        f"{spec.encoder.input_px} px tiles at {spec.encoder.um_per_px} µm/px; describer {describer}",
        "- Intended use: research on slides like those of its training; no decision on a patient may rest on it",
        f"- Licence of these weights: {spec.licence}",
        "",
        "## What it was trained on",
        "",
        *_cohort_lines(config, cohort, measured),
        "",
        *(_report_lines(measured.report, spec.class_ids) if measured.report is not None else []),
        *_calibration_lines(bundle, measured),
        *_limit_lines(bundle, cohort),
    ]


def _cohort_lines(config: TrainConfig, cohort: Cohort, measured: Measured) -> list[str]:
    slides = measured.slides
    used = ", ".join(f"{slides[part]} {what}" for part, what in _PARTS.items() if slides[part])
    left_out = len(cohort.slides) - sum(slides.values())
    lines = [cohort.told, f"Used, with tissue that can be read: {used}.", ""]
    if left_out:
        why = "they have no tissue, or too much of it cannot be read (the log tells which)"
        lines += [f"**{left_out} of {len(cohort.slides)} slides were left out**: {why}.", ""]
    if measured.epoch is not None:
        why = "the best on the slides that select" if slides["selection"] else "the last"
        lines += [f"Epoch {measured.epoch} was kept, {why}; seed {config.seed}; napari-mmlnb {__version__}.", ""]
    return [*lines, "The configuration (`train.yaml`) and the log (`train.log`) of the run lie beside this card."]


def _report_lines(report: SlideReport, class_ids: tuple[str, ...]) -> list[str]:
    fused = report.scores["fused"]
    return [
        f"## Measured on {fused.cases} reported slides of {fused.groups} patients, 95 % intervals over patients",
        "",
        "Nothing was learned, chosen or fitted on them. All of them are counted, also where the program would abstain.",
        "",
        *score_table(report.scores, class_ids),
        "",
        *confusion_table(fused, class_ids),
        "",
        f"The prediction set holds the truth for {report.held:.1%} of them, with {report.set_size:.1f} of "
        f"{len(class_ids)} classes in the mean. Mean of the gate, how far the text was "
        f"trusted: {report.gate:.2f}.",
        "",
    ]


def _calibration_lines(bundle: Bundle, measured: Measured) -> list[str]:
    spec, logits = bundle.spec, measured.calibration
    cooled = bundle.calibration.temperature
    rows = [
        f"| {branch} | {np.mean(z.argmax(axis=1) == logits.labels):.3f} | {cooled[branch]:.2f} |"
        for branch, z in logits.by_branch.items()
    ]
    matrix = confusion_matrix(
        logits.labels.tolist(), logits.by_branch["fused"].argmax(axis=1).tolist(), len(spec.classes)
    )
    counts = [
        f"| {class_id} | " + " | ".join(str(n) for n in row) + " |"
        for class_id, row in zip(spec.class_ids, matrix, strict=True)
    ]
    return [
        "## Measured on the calibration slides",
        "",
        "The temperatures and limits were fitted on these same slides, so the figures are those of model",
        "development; `mmlnb evaluate` measures slides that nothing was fitted on.",
        "",
        "| branch | accuracy | temperature |",
        "|---|---|---|",
        *rows,
        "",
        "| truth \\ fused | " + " | ".join(spec.class_ids) + " |",
        "|" + "---|" * (len(spec.classes) + 1),
        *counts,
        "",
        *_calibration_doubts(bundle.calibration),
    ]


def _calibration_doubts(calibration: Calibration) -> list[str]:
    """What these slides were too few, or too alike, to tell."""
    doubts = []
    if calibration.conformal >= 1:
        doubts.append(
            f"**Every prediction set holds all classes**: {calibration.slides} calibration slides, answered as they "
            f"are, are too few for sets at {calibration.coverage:.0%}. The sets tell nothing."
        )
    bound = [f"{branch} ({t:.2f})" for branch, t in calibration.temperature.items() if at_its_bound(t)]
    if bound:
        doubts.append(
            f"The temperature of {', '.join(bound)} is held by its bound of {COOLEST:g} or {HOTTEST:g}: these "
            "probabilities are not calibrated."
        )
    return [line for doubt in doubts for line in (doubt, "")]


def _limit_lines(bundle: Bundle, cohort: Cohort) -> list[str]:
    spec, familiar = bundle.spec, bundle.calibration.familiarity
    foreign = (
        "- Slides of another laboratory, scanner or stain are outside what was measured here."
        if cohort.real
        else "- A slide of a patient is outside what it knows. An answer on one would mean nothing."
    )
    echo = (
        "- The description is measured on the same pixels that the image branch sees; agreement between the"
        if spec.describer == MEASURED.name
        else "- A model describes the same pixels that the image branch sees, and may err; agreement between the"
    )
    return [
        "## Limits",
        "",
        f"- It abstains when the slide as a whole lies farther than {familiar.slide[-1][1]:.2f} from the slides of",
        f"  the training, or its median tile farther than {familiar.tile_median:.2f} from their tiles (1: usual),",
        f"  when more than {familiar.foreign_share:.0%} of its tiles are foreign, when the picture is blurred or",
        "  marked with a pen, when a class does not reach a probability of",
        f"  {spec.limits.min_probability:.0%}, when more than {spec.limits.unreadable_share:.0%} of the tiles",
        f"  cannot be read, and when there are fewer than {spec.limits.min_tiles} tiles of tissue.",
        foreign,
        echo,
        "  branches is not independent confirmation.",
        "",
    ]
