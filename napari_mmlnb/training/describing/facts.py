"""`describing.json`: what a describing model must be asked, and shown, to do what it has learned."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

FACTS_FILE = "describing.json"


class DescribingFacts(BaseModel):
    """Beside an adapter or a merged model.

    Parameters
    ----------
    base, base_sha256, licence : str
        What was fine-tuned, and whose terms hold.
    prompt : str
        The question that it was trained with.
    image_px : int, optional
        Side that images are to be resized to before the processor; None where the processor has a size of its own.
    """

    base: str
    base_sha256: str
    licence: str
    prompt: str
    image_px: int | None

    model_config = ConfigDict(frozen=True, extra="forbid")

    def write(self, folder: Path) -> None:
        """Write the file into a folder."""
        (folder / FACTS_FILE).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
