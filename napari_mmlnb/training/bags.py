"""A cohort's slides as bags of tile features, kept on disk so that a stopped training goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file

from napari_mmlnb.inference.bag import Bag
from napari_mmlnb.inference.encoding import FeatureArray, encode_tiles
from napari_mmlnb.inference.runtimes.registry import REFERENCE
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.slides.slide import Slide, open_slide
from napari_mmlnb.slides.tile_grid import TileGrid, build_tile_grid
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.slides.tissue import find_tissue
from napari_mmlnb.training.cohort import CohortSlide


@dataclass(frozen=True)
class SlideBag:
    """A slide's features and label.

    Parameters
    ----------
    slide : CohortSlide
        Which slide.
    features : ndarray
        (n, F) float32.
    cells : ndarray
        (n, 2) int32, row and column of each tile in the grid.
    """

    slide: CohortSlide
    features: FeatureArray
    cells: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Optics:
    """How tiles are cut: the same in training and in use."""

    tile_px: int
    um_per_px: float
    tissue_um_per_px: float
    min_tissue: float

    def tiles(self, slide: Slide) -> TileGrid:
        """The tile grid of a slide."""
        tissue = find_tissue(slide, self.tissue_um_per_px)
        return build_tile_grid(tissue, self.tile_px, self.um_per_px, self.min_tissue)


def encode_cohort(
    slides: tuple[CohortSlide, ...],
    encoder: PatchEncoder,
    optics: Optics,
    folder: Path,
    device: torch.device,
    log: Callable[[str], None],
) -> tuple[SlideBag, ...]:
    """Features of every slide; slides without a tile of tissue are left out, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    bags = []
    for number, slide in enumerate(slides, start=1):
        bag = _encode(slide, encoder, optics, folder, device)
        if len(bag.cells):
            bags.append(bag)
        else:
            log(f"left out {slide.path.name}: no tissue")
        if number % 20 == 0 or number == len(slides):
            log(f"encoded {number} of {len(slides)} slides, {sum(len(b.cells) for b in bags)} tiles")
    return tuple(bags)


def _encode(slide: CohortSlide, encoder: PatchEncoder, optics: Optics, folder: Path, device: torch.device) -> SlideBag:
    path = folder / f"{slide.path.stem}.safetensors"
    if not path.is_file():
        with open_slide(slide.path) as opened:
            tiles = optics.tiles(opened)
            bag = Bag(len(tiles), encoder.dimension)
            runtime = REFERENCE.build(encoder, device, optics.tile_px)  # the same bundle on every machine
            reader = TileReader(opened, tiles, batch=32, threads=1)
            try:
                for batch in encode_tiles(reader, runtime):
                    bag.add(batch)
            finally:
                reader.close()
            partial = path.with_suffix(".partial")
            save_file({"features": bag.features, "cells": tiles.cells[bag.used].astype(np.int32)}, partial)
            partial.replace(path)
    stored = load_file(path)
    return SlideBag(slide, stored["features"], stored["cells"])
