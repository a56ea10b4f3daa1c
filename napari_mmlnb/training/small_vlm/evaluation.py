"""A describing model's accuracy on phantoms that it never saw, plain and under a strong stain shift."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from napari_mmlnb import __version__
from napari_mmlnb.describe.prompt import STEADY, Generation
from napari_mmlnb.describe.registry import create_describer
from napari_mmlnb.describe.request import DescriberRequest
from napari_mmlnb.errors import OutputError
from napari_mmlnb.training.config import Config, read_as
from napari_mmlnb.training.small_vlm.accuracy import DescriberAccuracy, describer_accuracy
from napari_mmlnb.training.small_vlm.config import TilesConfig
from napari_mmlnb.training.small_vlm.tiles import TilePlan, make_tiles

RECORD_FILE, TABLE_FILE = "evaluation.json", "evaluation.md"


class DescriberEvaluationConfig(Config):
    """The schema.

    Parameters
    ----------
    level : str
        "describer".
    describers : dict of str to str
        What it is called in the table, to a name as `--describer` takes it, or a folder counted from the
        configuration's.
    tiles : TilesConfig
        Phantoms that none of them learned from.
    stain_shifts : tuple of float
        0 as in training, 1 far from it.
    generation : Generation
        How they answer; without chance by default.
    """

    level: Literal["describer"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    describers: Annotated[dict[str, str], Field(min_length=1)]
    tiles: TilesConfig
    stain_shifts: Annotated[tuple[float, ...], Field(min_length=1)] = (0.0, 1.0)
    generation: Generation = STEADY


def evaluate_describers(path: Path, out: Path, *, log: Callable[[str], None]) -> list[str]:
    """Measure what a configuration asks for, write it into ``out/NAME``, and give the table for a person.

    Raises
    ------
    RequestError, UnknownNameError, DescriberError
        If the configuration or a describer is wrong.
    OutputError
        If nothing can be written there.
    """
    config = read_as(DescriberEvaluationConfig, path)
    folder = out / config.name
    lines: list[str] = []
    found: dict[str, Any] = {"version": __version__, "tiles": config.tiles.model_dump(), "describers": {}}
    for called, name in config.describers.items():
        place = path.parent / name
        for shift in config.stain_shifts:
            plan = TilePlan(config.tiles.phantoms, config.tiles.first_seed, shift)
            tiles = make_tiles(plan, folder / "tiles", log=log)
            request = DescriberRequest(generation=config.generation)
            describer = create_describer(str(place) if place.is_dir() else name, request)
            try:
                accuracy = describer_accuracy(describer, tiles)
            finally:
                describer.close()
            lines += ["", f"{called}, stain shift {shift:g}", *accuracy.lines()]
            found["describers"].setdefault(called, {})[f"{shift:g}"] = _told(accuracy)
            log(f"{called}, stain shift {shift:g}: {accuracy.lines()[0]}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECORD_FILE).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        (folder / TABLE_FILE).write_text("\n".join(lines).strip() + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(folder, error.strerror or "it cannot be written") from error
    return lines[1:]


def _told(accuracy: DescriberAccuracy) -> dict[str, object]:
    return asdict(accuracy) | {"mean": accuracy.mean}
