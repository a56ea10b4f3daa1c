"""The model card of a fine-tuned describing model, written from the figures of its run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_mmlnb.bundles.spec import CARD_FILE
from napari_mmlnb.describe.describing_facts import UNSTATED
from napari_mmlnb.result import RESEARCH_USE
from napari_mmlnb.training.describing.base_model import BaseFolder
from napari_mmlnb.training.describing.config import DescribingConfig

README = "README.md"
_FIGURES = {
    "loss": "loss of the true answers, a token",
    "perplexity": "perplexity",
    "token_f1": "token F1",
    "rouge_l": "ROUGE-L",
    "sentence_f1": "F1 over sentences, word for word",
    "empty_share": "share of empty texts",
    "faulty_share": "share of faulty texts",
}


@dataclass(frozen=True)
class Card:
    """What a card tells.

    Parameters
    ----------
    config : DescribingConfig
        Of the run.
    base : BaseFolder
        What was fine-tuned.
    metrics : mapping
        As `metrics.json`.
    image_px : int, optional
        Side that images are resized to; None where the processor has a size of its own.
    """

    config: DescribingConfig
    base: BaseFolder
    metrics: Mapping[str, Any]
    image_px: int | None

    def write(self, folder: Path, *parts: Path) -> None:
        """Write `MODEL_CARD.md` into the folder, and the same as README.md into each part."""
        text = self._text()
        (folder / CARD_FILE).write_text(text, encoding="utf-8")
        for part in parts:
            (part / README).write_text(text, encoding="utf-8")

    def _text(self) -> str:
        return "\n".join([*self._head(), *self._learned(), *self._measured(), *self._limits(), ""])

    def _head(self) -> list[str]:
        config, base = self.config, self.base
        licence = [] if base.licence == UNSTATED else [f"license: {base.licence}"]
        return [
            "---",
            *licence,
            f"base_model: {base.name}",
            "pipeline_tag: image-text-to-text",
            "---",
            "",
            f"# {config.name}",
            "",
            f"**{RESEARCH_USE}**",
            "",
            f"A describing model: {base.name}, fine-tuned by LoRA on images with their descriptions.",
            "",
            "- Intended use: research on images like those of its training; its sentences stand beside measurements,",
            "  for a pathologist to check",
            f"- Base: {base.name}, SHA-256 of its files `{base.sha256}`",
            f"- Licence of the base, which holds for this model too: {base.licence}",
            f"- Asked: {config.prompt}",
            "- Images: "
            + ("as the processor sizes them" if self.image_px is None else f"{self.image_px} x {self.image_px} px"),
        ]

    def _learned(self) -> list[str]:
        config, lora, run = self.config, self.config.lora, self.metrics["training"]
        parts = self.metrics["parts"]
        return [
            "",
            "## What it learned from",
            "",
            f"{parts['train']['images']} images of {parts['train']['patients']} patients; "
            f"{parts['selection']['images']} of {parts['selection']['patients']} others chose the epoch "
            f"(split: {self.metrics['split']}). SHA-256 of the table: `{self.metrics['table_sha256']}`.",
            "",
            f"LoRA r {lora.r}, alpha {lora.alpha}, dropout {lora.dropout:g}, bias {lora.bias}, on {run['layers']} "
            f"projections ({lora.targets}); {run['learning_weights']} weights learned. {run['steps']} steps of "
            f"{config.batch * config.accumulation} images, AdamW from {config.learning_rate:g} falling linearly"
            f"{_warm_up(config.warm_up)}; kept: epoch {run['kept_epoch']} of {config.epochs}. Loss on the answers' "
            f"tokens only. No class is part of a prompt; {run['descriptions_naming_a_class']} descriptions name one.",
        ]

    def _measured(self) -> list[str]:
        report, texts = self.metrics["parts"]["report"], self.metrics["texts"]
        rows = [
            f"| {label} | {_said(self.metrics['before'][name])} | {_said(self.metrics['after'][name])} |"
            for name, label in _FIGURES.items()
        ]
        return [
            "",
            "## Measured on patients that were not seen",
            "",
            f"{report['images']} images of {report['patients']} patients, {texts} of them described. In brackets: 95 % "
            "intervals over patients.",
            "",
            "| | before | after |",
            "|---|---|---|",
            *rows,
            "",
            f"Read back from the disk, the adapter's largest difference of a logit is "
            f"{self.metrics['read_back']['adapter']:.1e} of the largest logit"
            + (
                f", the merged model's {self.metrics['read_back']['merged']:.1e}."
                if "merged" in self.metrics["read_back"]
                else "."
            ),
        ]

    def _limits(self) -> list[str]:
        return [
            "",
            "## Limits",
            "",
            "- Likeness of words is no medical truth: a text may be near to the true one and wrong where it matters.",
            "- It knows the stain, the scanner and the words of its table. Its sentences may be wrong and stand beside",
            "  measurements; none of them is a diagnosis.",
        ]


def _said(figure: Any) -> str:
    if not isinstance(figure, Mapping):
        return f"{figure:.3f}"
    if figure["interval"] is None:
        return f"{figure['value']:.3f}"
    low, high = figure["interval"]
    return f"{figure['value']:.3f} ({low:.3f} to {high:.3f})"


def _warm_up(share: float) -> str:
    return f" after a rise over {share:.0%} of the steps" if share else ""
