"""The card of a network at image level, written from the run that made it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from napari_mmlnb import __version__
from napari_mmlnb.result import RESEARCH_USE
from napari_mmlnb.training.image_level.arms import ARMS
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
    """
    fused = next(iter(reports.values()))
    leak = (
        "**Patients are on both sides of this split, and the reported part chose the epoch: the figures are too good.**"
        if split.name == _LEAKS
        else "No patient is in two parts; nothing was chosen on the reported part."
    )
    image = "weights that were given" if config.image.weights else "nothing"
    text = "weights that were given" if config.text.folder else "nothing"
    lines = [
        f"# {config.name}",
        "",
        f"**{RESEARCH_USE}**",
        "",
        "## What it is",
        "",
        f"- {ARMS.get(config.arm).summary}, after MMLNB (arXiv 2503.12927), at the level of single images",
        f"- Classes: {', '.join(config.classes)}",
        f"- Towers: image {config.image.name}, from {image}; text {config.text.name}, from {text}",
        "- Intended use: research on images like those of its training, with descriptions from the same source",
        "- Licence: its maker's choice; nobody's images and no text of them are in the weights' files, but a network",
        "  may remember what it learned from",
        "",
        "## What it was trained on",
        "",
        f"- Table with SHA-256 {table_sha256}",
        f"- {len(split.train)} images to learn, {len(split.selection)} to select the epoch, {len(split.report)} to "
        f"report; split: {split.name}. {leak}",
        f"- Epoch {best} was kept; seed {config.seed}; napari-mmlnb {__version__}",
        "",
        f"## Measured on {fused.cases} images of {fused.groups} patients, 95 % intervals over patients",
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
