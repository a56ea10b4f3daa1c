"""A folder of images with descriptions, cut from phantoms: image level and fine-tuning can be tried without any data.

Each phantom is a patient. No class is in the descriptions (`phantom_texts`).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

import numpy as np
from PIL import Image

from napari_mmlnb.describe.base import EvidenceTile
from napari_mmlnb.errors import OutputError, RequestError
from napari_mmlnb.geometry import Region
from napari_mmlnb.phantom.slide import render_phantom
from napari_mmlnb.phantom.tile_pixels import as_stored
from napari_mmlnb.phantom.truth import PhantomTruth, Subtype, TileAttributes
from napari_mmlnb.training.image_level.phantom_texts import MEASURED, TEXTS, PhantomTile

IMAGES, TABLE = "images", "table.csv"
MPP = 0.5
LEAST_TISSUE = 0.7
LEAST_CELLS = 20


@dataclass(frozen=True)
class PhantomFolderPlan:
    """What is to be made.

    Parameters
    ----------
    patients : int
        Phantoms of each subtype.
    images : int
        Of each phantom, at most.
    first_seed : int
        Phantom i has seed `first_seed` + i.
    size_px : int
        Side of a phantom at 0.5 um.
    stain_shift : float
        As for `render_phantom`.
    least_cells : int
        Neuroblastic cells of an image, at least; with 0 other tissue than tumour is cut too.
    text : str
        What the descriptions are made of (`phantom_texts.TEXTS`).
    """

    patients: int
    images: int
    first_seed: int
    size_px: int = 1536
    stain_shift: float = 0.0
    least_cells: int = LEAST_CELLS
    text: str = MEASURED


def make_phantom_folder(folder: Path, plan: PhantomFolderPlan, *, workers: int, log: Callable[[str], None]) -> int:
    """Write ``folder/images`` and ``folder/table.csv`` (file_name, description, class, patient).

    Returns
    -------
    int
        How many images there are.

    Raises
    ------
    OutputError
        If the folder has a table already, or cannot be written.
    RequestError
        If the phantoms are too small to hold an image.
    """
    if (folder / TABLE).exists():
        raise OutputError(folder / TABLE, "it exists already")
    try:
        (folder / IMAGES).mkdir(parents=True, exist_ok=True)
        rows = list(_rows(folder / IMAGES, plan, workers, log))
        if not rows:
            raise RequestError("The phantoms hold no image with enough tissue.", "Ask for larger ones.")
        with (folder / TABLE).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise OutputError(folder, error.strerror or "it cannot be written") from error
    return len(rows)


Row = dict[str, str]


def _rows(images: Path, plan: PhantomFolderPlan, workers: int, log: Callable[[str], None]) -> Iterator[Row]:
    subtypes = get_args(Subtype)
    seeds = range(plan.first_seed, plan.first_seed + plan.patients * len(subtypes))
    kinds = [subtypes[i % len(subtypes)] for i in range(len(seeds))]
    # Started anew: a process that is forked while threads run may stand still for ever.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        made = pool.map(partial(_patient, images, plan), kinds, seeds)
        for number, rows in enumerate(made, start=1):
            yield from rows
            if number % 10 == 0 or number == len(seeds):
                log(f"{number} of {len(seeds)} phantoms")


def _patient(images: Path, plan: PhantomFolderPlan, subtype: Subtype, seed: int) -> list[Row]:
    rgb, optics, truth = render_phantom(
        subtype=subtype, seed=seed, size=(plan.size_px, plan.size_px), mpp=MPP, stain_shift=plan.stain_shift
    )
    side = round(truth.tile_um / MPP)
    places = _chosen(truth, plan, rgb.shape[0] // side)
    tiles = []
    for rank, place in enumerate(places, start=1):
        y, x = place.row * side, place.column * side
        pixels = as_stored(rgb[y : y + side, x : x + side], optics.jpeg_quality)
        region = Region(y * MPP, x * MPP, truth.tile_um, truth.tile_um)
        tiles.append(PhantomTile(EvidenceTile(rank, pixels, MPP, region), place, subtype))
    rows = []
    for one, text in zip(tiles, TEXTS.get(plan.text).write(tiles, seed), strict=True):
        name = f"{subtype}-{seed}-{one.picture.rank:02d}.png"
        Image.fromarray(one.picture.rgb).save(images / name)
        rows.append({"file_name": name, "description": text, "class": subtype, "patient": f"phantom-{seed}"})
    return rows


def _chosen(truth: PhantomTruth, plan: PhantomFolderPlan, whole: int) -> list[TileAttributes]:
    """Tiles full of tissue, those that decide the subtype first; `whole` rows and columns are inside the picture."""
    usable = [
        tile
        for tile in truth.tile_attributes
        if tile.tissue >= LEAST_TISSUE
        and tile.neuroblastic_cells >= plan.least_cells
        and max(tile.row, tile.column) < whole
    ]
    order = np.random.default_rng(truth.seed).permutation(len(usable))
    return sorted((usable[i] for i in order), key=lambda tile: -round(tile.discriminative, 1))[: plan.images]
