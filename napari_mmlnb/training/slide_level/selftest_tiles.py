"""The tiles that a bundle is tested with wherever it goes: pixels that may be passed on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_mmlnb.describe.base import EvidenceTile
from napari_mmlnb.errors import RequestError
from napari_mmlnb.phantom.slide import write_phantom
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.training.slide_level.bags import Optics
from napari_mmlnb.training.slide_level.cohort import Cohort

_SEED = 1
_SIDE_TILES = 6


def selftest_tiles(cohort: Cohort, optics: Optics, work: Path, count: int) -> list[EvidenceTile]:
    """Tiles of a calibration phantom; for slides of patients, of a phantom that is drawn for this.

    They become part of the bundle, in which no picture of a patient has a place; whether a machine computes as it
    should, synthetic tissue tells as well.

    Parameters
    ----------
    cohort : Cohort
        Of the training.
    optics : Optics
        Of the tiles.
    work : Path
        Folder of intermediate work.
    count : int
        How many.

    Raises
    ------
    RequestError
        If the tiles are so large that none fits.
    """
    path = next((slide.path for slide in cohort.slides if slide.part == "calibration"), None)
    if cohort.real or path is None:
        path = work / "selftest.tiff"
        side = round(_SIDE_TILES * optics.tile_px)
        write_phantom(path, subtype="pd", seed=_SEED, size=(side, side), mpp=optics.um_per_px)
    with open_slide(path) as slide:
        tiles = optics.tiles(slide)
        if not len(tiles):
            raise RequestError("No tile of tissue fits into the slide for the self-test.", "Choose another um_per_px.")
        order = np.linspace(0, len(tiles) - 1, count).astype(np.int64)
        reader = TileReader(slide, tiles, order=order, batch=count, threads=1)
        try:
            pixels = next(iter(reader)).pixels
            return [
                EvidenceTile(rank, rgb, optics.um_per_px, tiles.region(int(at)))
                for rank, (rgb, at) in enumerate(zip(pixels, order, strict=True), start=1)
            ]
        finally:
            reader.close()
