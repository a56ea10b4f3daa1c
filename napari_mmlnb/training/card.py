"""The model card, written from the run that made the model."""

from __future__ import annotations

import numpy as np

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.spec import CARD_FILE
from napari_mmlnb.result import RESEARCH_USE
from napari_mmlnb.training.calibrate import CalibrationLogits
from napari_mmlnb.training.config import TrainConfig
from napari_mmlnb.training.metrics import confusion_matrix


def write_card(bundle: Bundle, config: TrainConfig, logits: CalibrationLogits, train_slides: int) -> None:
    """Write `MODEL_CARD.md`; every figure in it was measured in this run."""
    (bundle.folder / CARD_FILE).write_text(_card(bundle, config, logits, train_slides), encoding="utf-8")


def _card(bundle: Bundle, config: TrainConfig, logits: CalibrationLogits, train_slides: int) -> str:
    spec, calibration = bundle.spec, bundle.calibration
    familiar = calibration.familiarity
    rows = [
        f"| {branch} | {np.mean(z.argmax(axis=1) == logits.labels):.3f} | {calibration.temperature[branch]:.2f} |"
        for branch, z in logits.by_branch.items()
    ]
    matrix = confusion_matrix(
        logits.labels.tolist(), logits.by_branch["fused"].argmax(axis=1).tolist(), len(spec.classes)
    )
    header = "| truth \\ fused | " + " | ".join(spec.class_ids) + " |"
    counts = [
        f"| {class_id} | " + " | ".join(str(n) for n in row) + " |"
        for class_id, row in zip(spec.class_ids, matrix, strict=True)
    ]
    cohort = config.cohort
    return "\n".join(
        [
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
            f"{spec.encoder.input_px} px tiles at {spec.encoder.um_per_px} µm/px; describer {spec.describer}",
            f"- Licence of these weights: {spec.licence}",
            "",
            "## What it was trained on",
            "",
            f"{train_slides} synthetic slides of {cohort.size_px[0]} x {cohort.size_px[1]} px at {cohort.mpp} µm/px, "
            f"seeds from {cohort.first_seed}; {calibration.slides} more, of other seeds, for calibration. "
            "No image of a patient, and no pathology weights.",
            "",
            "The configuration (`train.yaml`) and the log (`train.log`) of the run lie beside this card.",
            "",
            "## Measured on the calibration slides",
            "",
            "The temperatures and limits were fitted on these same slides, so the figures are those of model",
            "development; `benchmarks/held_out_phantoms.py` measures slides that nothing was fitted on.",
            "",
            "| branch | accuracy | temperature |",
            "|---|---|---|",
            *rows,
            "",
            header,
            "|" + "---|" * (len(spec.classes) + 1),
            *counts,
            "",
            "## Limits",
            "",
            f"- It abstains when the slide as a whole lies farther than {familiar.slide[-1][1]:.2f} from the slides of",
            f"  the training, or its median tile farther than {familiar.tile_median:.2f} from their tiles (1: usual),",
            f"  when more than {familiar.foreign_share:.0%} of its tiles are foreign, when the picture is blurred or",
            "  marked with a pen, when a class does not reach a probability of",
            f"  {spec.limits.min_probability:.0%}, when more than {spec.limits.unreadable_share:.0%} of the tiles",
            f"  cannot be read, and when there are fewer than {spec.limits.min_tiles} tiles of tissue.",
            "- A slide of a patient is outside what it knows. An answer on one would mean nothing.",
            "- The description is measured on the same pixels that the image branch sees; agreement between the",
            "  branches is not independent confirmation.",
            "",
        ]
    )
