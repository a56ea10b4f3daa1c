"""A small folder of images whose colour tells the class half of the time, with texts that tell the other half."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

COLOURS = {"pd": (200, 120, 160), "d": (160, 110, 200), "ud": (110, 90, 150)}
WORDS = {
    "pd": "little neuropil between the cells",
    "d": "much neuropil and ganglion cells",
    "ud": "no neuropil, packed",
}


def image_folder(folder: Path, patients: int = 12, images: int = 2, seed: int = 0) -> Path:
    """Images, `table.csv`; the folder."""
    random = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    rows = []
    for patient in range(patients):
        name = list(COLOURS)[patient % len(COLOURS)]
        for number in range(images):
            file = f"p{patient:02d}-{number}.png"
            pixels = np.array(COLOURS[name]) + random.normal(0, 25, (64, 64, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / "images" / file)
            rows.append(
                {"file_name": file, "description": f"There is {WORDS[name]}.", "class": name, "patient": f"P{patient}"}
            )
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def configuration(folder: Path, **changes: object) -> Path:
    """`train.yaml` in the folder, with small towers and two epochs a phase."""
    settings = {
        "level": "image",
        "name": "small",
        "classes": list(COLOURS),
        "data": {"table": "table.csv", "images": "images"},
        "image": {"name": "small"},
        "text": {"name": "small", "vocabulary": 60},
        "curriculum": {"image_first": 2, "joint": 2, "consolidate": 2},
        "learning_rate": 2e-3,
        "batch": 8,
        "checkpoint_epochs": 1,
        "device": "cpu",
        "seed": 1,
    }
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(settings | changes), encoding="utf-8")
    return path
