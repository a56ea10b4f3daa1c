"""A cohort's slides as bags of tile features, kept on disk so that a stopped training goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_mmlnb.inference.bag import Bag
from napari_mmlnb.inference.encoding import FeatureArray, encode_tiles
from napari_mmlnb.inference.runtimes.base import EncoderRuntime
from napari_mmlnb.inference.runtimes.registry import REFERENCE
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.slides.slide import Slide
from napari_mmlnb.slides.tile_grid import TileGrid, build_tile_grid
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.slides.tissue import find_tissue
from napari_mmlnb.training.slide_level.cohort import CohortSlide, opened_slide

MOST_UNREADABLE = 0.02
"""Share of a slide's tiles; a slide that has lost more teaches something else than its class."""
_PIECE = 4096


@dataclass(frozen=True)
class SlideBag:
    """A slide's features and label.

    Parameters
    ----------
    slide : CohortSlide
        Which slide.
    source : ndarray or Path
        The features, (n, F) float32, or their file. It is opened where it is read: a cohort has more slides than a
        process may have files open.
    cells : ndarray
        (n, 2) int32, row and column of each tile in the grid.
    """

    slide: CohortSlide
    source: FeatureArray | Path
    cells: npt.NDArray[np.int32]

    @property
    def features(self) -> FeatureArray:
        """(n, F) float32, in memory or mapped from the disk; take what is needed of it and let it go."""
        if isinstance(self.source, Path):
            mapped: FeatureArray = np.load(self.source, mmap_mode="r")
            return mapped
        return self.source

    def pieces(self) -> Iterator[FeatureArray]:
        """All features in memory, so many rows at a time."""
        features = self.features
        for first in range(0, len(features), _PIECE):
            yield np.array(features[first : first + _PIECE])


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
    """Features of every slide.

    They stay on the disk and are read where they are needed: those of a few hundred slides do not fit into memory.
    Slides without a tile of tissue, or with more than `MOST_UNREADABLE` of their tiles unreadable, are left out and
    named in the log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Built once, and not where all is kept: on a card that takes a trial. The same bundle on every machine.
    runtime = cache(lambda: REFERENCE.build(encoder, device, optics.tile_px))
    bags = []
    for number, slide in enumerate(slides, start=1):
        encoded = _encode(slide, runtime, encoder.dimension, optics, folder)
        bag = SlideBag(slide, encoded.features, np.load(encoded.cells))
        lost = encoded.tiles - len(bag.cells)
        if encoded.tiles == 0:
            log(f"left out {slide.name}: no tissue")
        elif lost > MOST_UNREADABLE * encoded.tiles:
            log(f"left out {slide.name}: {lost} of {encoded.tiles} tiles cannot be read")
        else:
            bags.append(bag)
        if number % 20 == 0 or number == len(slides):
            log(f"encoded {number} of {len(slides)} slides, {sum(len(b.cells) for b in bags)} tiles")
    return tuple(bags)


@dataclass(frozen=True)
class _Encoded:
    """Files of a slide's features, (n, F) float32, and cells, (n, 2) int32; and how many tiles its grid has."""

    features: Path
    cells: Path
    tiles: int


def _encode(
    slide: CohortSlide, runtime: Callable[[], EncoderRuntime], dimension: int, optics: Optics, folder: Path
) -> _Encoded:
    with opened_slide(slide) as opened:
        # By content and scale: a table may name slides of different folders alike.
        key = hashlib.sha256(repr((opened.fingerprint, opened.mpp)).encode()).hexdigest()[:24]
        features, cells, facts = (folder / f"{key}.{kind}" for kind in ("features.npy", "cells.npy", "json"))
        if not facts.is_file():
            tiles = optics.tiles(opened)
            bag = Bag(len(tiles), dimension)
            reader = TileReader(opened, tiles, batch=32, threads=os.cpu_count() or 1)
            try:
                for batch in encode_tiles(reader, runtime()):
                    bag.add(batch)
            finally:
                reader.close()
            _save(features, bag.features)
            _save(cells, tiles.cells[bag.used].astype(np.int32))
            partial = facts.with_suffix(".partial")
            partial.write_text(json.dumps({"tiles": len(tiles)}), encoding="utf-8")
            partial.replace(facts)  # last: then all of it is there
        return _Encoded(features, cells, int(json.loads(facts.read_text(encoding="utf-8"))["tiles"]))


def _save(path: Path, array: npt.NDArray[Any]) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, array)
    partial.replace(path)
