"""The card of a network at image level, written from the run that made it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from napari_mmlnb import __version__
from napari_mmlnb.result import RESEARCH_USE
from napari_mmlnb.training.image_level.arms import ARMS, Arm
from napari_mmlnb.training.image_level.config import ImageLevelConfig
from napari_mmlnb.training.score_tables import confusion_table, score_table
from napari_mmlnb.training.scores import ScoreReport
from napari_mmlnb.training.splits import Split

CARD_FILE = "MODEL_CARD.md"
_LEAKS = "image_level_as_published"


def write_card(
    folder: Path,
    config: ImageLevelConfig,
    split: Split,
    table_sha256: str,
    best: int,
    reports: Mapping[str, ScoreReport],
    patients_known: bool,
) -> None:
    """Write `MODEL_CARD.md`; every figure in it was measured in this run.

    Parameters
    ----------
    folder : Path
        Of the run.
    config : ImageLevelConfig
        Of the run.
    split : Split
        Which cases were learned from, selected by, and reported.
    table_sha256 : str
        Of the table.
    best : int
        The epoch that was kept, from 1.
    reports : mapping
        Branch to its scores on the reported part, "fused" first.
    patients_known : bool
        Whether the table says whose each image is.
    """
    fused, arm = next(iter(reports.values())), ARMS.get(config.arm)
    leak = (
        "**Patients are on both sides of this split, and the reported part chose the epoch: the figures are too good.**"
        if split.name == _LEAKS
        else "No patient, as the table names them, is in two parts; nothing was chosen on the reported part."
    )
    lines = [
        f"# {config.name}",
        "",
        f"**{RESEARCH_USE}**",
        "",
        "## What it is",
        "",
        f"- {arm.summary}, after MMLNB (arXiv 2503.12927), at the level of single images",
        f"- Classes: {', '.join(config.classes)}",
        f"- Towers: {'; '.join(_towers(config, arm))}",
        "- Intended use: research on images like those of its training, with descriptions from the same source",
        "- Licence: its maker's choice",
        "- Privacy: nobody's images are in its files, but a network may remember what it learned from; a vocabulary",
        "  that was learned (`tokenizer.json`) holds pieces of the training texts, and names where they were in them",
        "",
        "## What it was trained on",
        "",
        f"- Table with SHA-256 {table_sha256}",
        f"- {len(split.train)} images to learn, {len(split.selection)} to select the epoch, {len(split.report)} to "
        f"report; split: {split.name}. {leak}",
        f"- Epoch {best} was kept; seed {config.seed}; napari-mmlnb {__version__}",
        "",
        f"## Measured on {cases_told(fused, patients_known)}",
        "",
        *score_table(reports, config.classes),
        "",
        *confusion_table(fused, config.classes),
        "",
        "## Limits",
        "",
        "- It answers whatever it is given: it has no measure of what is foreign to it, and does not abstain.",
        "- Its probabilities are not calibrated.",
        "- A description made from the same image can merely echo it: agreement is no independent confirmation.",
        "",
    ]
    (folder / CARD_FILE).write_text("\n".join(lines), encoding="utf-8")


def cases_told(report: ScoreReport, patients_known: bool) -> str:
    """How many cases there are, and over what the intervals are: images where nobody said whose they are."""
    if patients_known:
        return f"{report.cases} images of {report.groups} patients, 95 % intervals over patients"
    return f"{report.cases} images of unknown patients, 95 % intervals over images: too narrow if patients have several"


def _towers(config: ImageLevelConfig, arm: Arm) -> list[str]:
    given = {"image": config.image.weights, "text": config.text.folder}
    names = {"image": config.image.name, "text": config.text.name}
    return [
        f"{modality} {names[modality]}, from {'weights that were given' if given[modality] else 'nothing'}"
        for modality in arm.modalities
    ]
