"""A network at image level, measured on a table that it did not learn from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file

from napari_mmlnb import __version__
from napari_mmlnb.bundles.tokenizer import TextTokenizer, read_tokenizer
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import OutputError, RequestError
from napari_mmlnb.inference.device import choose_device
from napari_mmlnb.models.image_text import ImageTextNetwork
from napari_mmlnb.models.towers.image import build_image_tower
from napari_mmlnb.training.config import Config, read_as
from napari_mmlnb.training.image_level.arms import ARMS
from napari_mmlnb.training.image_level.card import cases_told
from napari_mmlnb.training.image_level.config import ImageDataConfig, ImageLevelConfig
from napari_mmlnb.training.image_level.data import ImageTextData
from napari_mmlnb.training.image_level.images import RGB, image_digests, read_images
from napari_mmlnb.training.image_level.loop import predict
from napari_mmlnb.training.image_level.parts import trained_text_tower
from napari_mmlnb.training.image_level.recipe import CONFIG_FILE, LEARNED_FILE, WEIGHTS_FILE
from napari_mmlnb.training.image_level.table import counts_note, read_cases
from napari_mmlnb.training.score_tables import confusion_table, score_record, score_table
from napari_mmlnb.training.scores import score_with_intervals

RECORD_FILE, TABLE_FILE = "evaluation.json", "evaluation.md"


class ImageEvaluationConfig(Config):
    """The schema; paths count from the configuration's folder.

    Parameters
    ----------
    level : str
        "image".
    name : str
        Of the folder that is written.
    model : Path
        What `mmlnb train` wrote.
    data : ImageDataConfig
        Table and images, as for training; the column `patient` groups the intervals, where it is filled.
    """

    level: Literal["image"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    model: Path
    data: ImageDataConfig
    device: str = "auto"
    seed: int = 2024


def evaluate_images(path: Path, out: Path, *, log: Callable[[str], None]) -> list[str]:
    """Measure a trained network, write the figures into ``out/NAME``, and give the table for a person.

    Raises
    ------
    RequestError
        If the configuration, the model, the table or an image is wrong, or the model knows some of the images.
    OutputError
        If nothing can be written there.
    """
    config = read_as(ImageEvaluationConfig, path)
    folder = path.parent / config.model
    trained = read_as(ImageLevelConfig, folder / CONFIG_FILE)
    tokenizer = read_tokenizer(folder, trained.text.max_tokens)
    model = _network(folder, trained, tokenizer).to(choose_device(config.device).device)
    table = path.parent / config.data.table
    cases = read_cases(table, path.parent / config.data.images, trained.classes, trained.class_words)
    log(f"{len(cases)} images")
    if note := counts_note(cases, trained.classes):
        log(note)
    labels = np.array([case.label for case in cases], dtype=np.int64)
    ids = torch.from_numpy(tokenizer.encode([case.description for case in cases]))
    pixels = read_images(cases)
    _refuse_known(folder, pixels, [case.file_name for case in cases])
    said = predict(model, ImageTextData(pixels, ids, labels), np.arange(len(cases)), trained.batch)
    groups = [case.patient or case.file_name for case in cases]
    reports = {
        name: score_with_intervals(labels, p, groups, seed=config.seed)
        for name, p in said.branches(ARMS.get(trained.arm).image_answers).items()
    }
    lines = [
        f"{trained.name} on {cases_told(reports['fused'], all(case.patient for case in cases))}",
        "",
        *score_table(reports, trained.classes),
        "",
        *confusion_table(reports["fused"], trained.classes),
    ]
    record = {
        "model": trained.name,
        "model_sha256": file_sha256(folder / WEIGHTS_FILE),
        "table_sha256": file_sha256(table),
        "version": __version__,
        **{name: score_record(report) for name, report in reports.items()},
    }
    try:
        (out / config.name).mkdir(parents=True, exist_ok=True)
        (out / config.name / RECORD_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        (out / config.name / TABLE_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(out / config.name, error.strerror or "it cannot be written") from error
    return lines


def _refuse_known(folder: Path, pixels: RGB, names: Sequence[str]) -> None:
    """Raise RequestError if the model has learned from some of the images, or its epoch was chosen on them."""
    try:
        learned = set(json.loads((folder / LEARNED_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise RequestError(
            f"{folder} does not tell what it learned from: {LEARNED_FILE} is missing or damaged.", "Train it again."
        ) from error
    known = [name for name, digest in zip(names, image_digests(pixels), strict=True) if digest in learned]
    if known:
        raise RequestError(
            f"{len(known)} of {len(names)} images were learned from or chose the epoch, the first is {known[0]}.",
            "Leave them out of the table: figures on them would be too good.",
        )


def _network(folder: Path, trained: ImageLevelConfig, tokenizer: TextTokenizer) -> ImageTextNetwork:
    image = build_image_tower(trained.image.name)
    text = trained_text_tower(folder, trained.text, tokenizer.vocabulary)
    network = ARMS.get(trained.arm).network(image, text, len(trained.classes))
    try:
        network.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise RequestError(
            f"{folder} does not hold what mmlnb train wrote there: {str(error).splitlines()[0]}", "Train it again."
        ) from error
    return network
