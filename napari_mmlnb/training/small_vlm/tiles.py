"""Tiles of phantoms with what is known of each, kept on disk: what the small describing model learns from."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.phantom.attributes import TileContent
from napari_mmlnb.phantom.slide import render_phantom
from napari_mmlnb.phantom.tile_pixels import as_stored
from napari_mmlnb.phantom.truth import PhantomTruth, Subtype

MPP = 0.5
SIDE_PX = 224
SQUARES = 7
"""Squares along a tile's side: those that the vision tower sees one by one (its stride is 32 px)."""
SQUARE_UM = SIDE_PX * MPP / SQUARES
LEAST_TISSUE = 0.5

TILES_A_SIDE = 9
"""Of a phantom: 2016 px at 0.5 um."""

COLUMNS = (
    "tissue",
    "neuropil",
    "necrosis",
    "calcification",
    "differentiating",
    "mki",
    "rosettes",
    "neuroblastic_cells",
)
SHARES = 4
"""The first so many columns are shares of the area; the others are made numbers of cells and structures."""

RGB = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TilePlan:
    """Which phantoms to cut.

    Parameters
    ----------
    phantoms : int
        How many, subtypes in turn.
    first_seed : int
        Phantom i has seed `first_seed` + i.
    stain_shift : float
        As for `render_phantom`.
    """

    phantoms: int
    first_seed: int
    stain_shift: float = 0.0

    @property
    def name(self) -> str:
        """Of the files that keep it."""
        return f"phantoms-{self.phantoms}-{self.first_seed}-{self.stain_shift:g}"


@dataclass(frozen=True)
class TileSet:
    """Tiles with at least half of them tissue.

    Parameters
    ----------
    pixels : ndarray
        (n, 224, 224, 3) uint8, as read from a JPEG-compressed slide at 0.5 um.
    squares : ndarray
        (n, 7, 7, 8) float32: for each square of 16 um the columns of `COLUMNS`: shares of its area, then numbers of
        differentiating cells, of dividing cells, of rosettes and of neuroblastic cells.
    """

    pixels: RGB
    squares: Floats

    def __len__(self) -> int:
        return len(self.pixels)

    def contents(self) -> tuple[TileContent, ...]:
        """What each tile holds."""
        return tuple(_content(one) for one in self.squares.reshape(len(self), -1, len(COLUMNS)))


def _content(squares: Floats) -> TileContent:
    mean, total = squares.mean(axis=0), squares.sum(axis=0)
    return TileContent(
        neuropil=float(mean[1]),
        necrosis=float(mean[2]),
        calcification=float(mean[3]),
        differentiating=round(float(total[4])),
        dividing=round(float(total[5])),
        rosettes=round(float(total[6])),
        cells=round(float(total[7])),
    )


def make_tiles(plan: TilePlan, folder: Path, *, log: Callable[[str], None], workers: int | None = None) -> TileSet:
    """The tiles of a plan; made once, then read from `folder`.

    Parameters
    ----------
    plan : TilePlan
        Which phantoms.
    folder : Path
        Where they are kept.
    log : callable
        Told a line at a time.
    workers : int, optional
        Processes; one a core by default.
    """
    paths = {kind: folder / f"{plan.name}.{kind}.npy" for kind in ("pixels", "squares")}
    if not all(path.is_file() for path in paths.values()):
        folder.mkdir(parents=True, exist_ok=True)
        pixels, squares = _drawn(plan, workers or os.cpu_count() or 1, log)
        for kind, array in (("pixels", pixels), ("squares", squares)):
            partial_file = paths[kind].with_suffix(".partial.npy")
            np.save(partial_file, array)
            partial_file.replace(paths[kind])
    return TileSet(np.load(paths["pixels"], mmap_mode="r"), np.load(paths["squares"]))


def _drawn(plan: TilePlan, workers: int, log: Callable[[str], None]) -> tuple[RGB, Floats]:
    subtypes = get_args(Subtype)
    kinds = [subtypes[i % len(subtypes)] for i in range(plan.phantoms)]
    parts = []
    # Started anew: a process that is forked while threads run may stand still for ever.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        made = pool.map(partial(_tiles_of, plan.stain_shift), kinds, count(plan.first_seed))
        for number, part in enumerate(made, start=1):
            parts.append(part)
            if number % 30 == 0 or number == plan.phantoms:
                log(f"{number} of {plan.phantoms} phantoms, {sum(len(p) for p, _ in parts)} tiles")
    return np.concatenate([p for p, _ in parts]), np.concatenate([s for _, s in parts])


def _tiles_of(stain_shift: float, subtype: Subtype, seed: int) -> tuple[RGB, Floats]:
    cv2.setNumThreads(1)
    side = TILES_A_SIDE * SIDE_PX
    rgb, optics, truth = render_phantom(
        subtype=subtype, seed=seed, size=(side, side), mpp=MPP, stain_shift=stain_shift, tile_um=SQUARE_UM
    )
    squares = _squares(truth)
    pixels, kept = [], []
    for row in range(TILES_A_SIDE):
        for column in range(TILES_A_SIDE):
            own = squares[row * SQUARES : (row + 1) * SQUARES, column * SQUARES : (column + 1) * SQUARES]
            if own[..., 0].mean() >= LEAST_TISSUE:
                y, x = row * SIDE_PX, column * SIDE_PX
                pixels.append(as_stored(rgb[y : y + SIDE_PX, x : x + SIDE_PX], optics.jpeg_quality))
                kept.append(own)
    if not pixels:
        return np.zeros((0, SIDE_PX, SIDE_PX, 3), np.uint8), np.zeros((0, SQUARES, SQUARES, len(COLUMNS)), np.float32)
    return np.stack(pixels), np.stack(kept)


def _squares(truth: PhantomTruth) -> Floats:
    """(rows, columns, 8): shares, then numbers of cells instead of the truth's ratios."""
    squares = np.stack([truth.tile_map(name) for name in COLUMNS], axis=-1)
    cells = squares[..., 7]
    squares[..., 4] = np.round(squares[..., 4] * cells)
    squares[..., 5] = np.round(squares[..., 5] * cells / 100)
    return squares
