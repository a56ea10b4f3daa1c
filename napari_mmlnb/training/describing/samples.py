"""Some held-out images with what is true of them, and what was written before and after."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

JSON_FILE, TEXT_FILE = "samples.json", "samples.md"


@dataclass(frozen=True)
class Sample:
    """One image.

    Parameters
    ----------
    file_name : str
        As the table names it.
    truth, before, after : str
        Texts.
    """

    file_name: str
    truth: str
    before: str
    after: str


def write_samples(folder: Path, samples: Sequence[Sample]) -> None:
    """Write `samples.json` and `samples.md`."""
    told = json.dumps([asdict(sample) for sample in samples], indent=2, ensure_ascii=False)
    (folder / JSON_FILE).write_text(told + "\n", encoding="utf-8")
    lines = ["# Held-out images, before and after", ""]
    for sample in samples:
        lines += [f"## {sample.file_name}", ""]
        for name, text in (("true", sample.truth), ("before", sample.before), ("after", sample.after)):
            lines += [f"**{name}**", "", *_quoted(text), ""]
    (folder / TEXT_FILE).write_text("\n".join(lines), encoding="utf-8")


def _quoted(text: str) -> list[str]:
    return [f"    {line}" for line in text.splitlines()] or ["(nothing)"]
