"""How good the picture of a slide is, measured on its overview and on a fair sample of its tiles.

A sample, not all tiles: shares of a whole slide are known well enough from it, a run is hardly slowed, and one whose
features were kept from before, and that decodes no tile, is judged alike.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from napari_mmlnb.inference.slide_view import view_slide
from napari_mmlnb.quality.blur import COARSEST_UM_PER_PX
from napari_mmlnb.quality.slide_quality import QualityLimits, SlideQuality, judge_slide
from napari_mmlnb.quality.tile_quality import TileQuality, measure_tiles
from napari_mmlnb.result import Coverage, Quality, QualityFinding
from napari_mmlnb.slides.slide import Slide
from napari_mmlnb.slides.tile_grid import TileGrid
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.slides.tissue import TissueMask

SAMPLED_TILES = 64
_TILES = "picture of tiles"

Figures = dict[tuple[int, int], TileQuality]
"""What is known of tiles, by their cells."""


def sampled_tiles(cells: npt.NDArray[np.int32], most: int = SAMPLED_TILES) -> npt.NDArray[np.int64]:
    """Which tiles, given by their cells (n, 2), are looked at: all, or a random sample, the same each time.

    Each cell has its own place in a random order, so that the samples of a slide and of a region of it overlap.
    """
    if len(cells) <= most:
        return np.arange(len(cells), dtype=np.int64)
    return np.sort(np.argsort(_scattered(cells), kind="stable")[:most])


def _scattered(cells: npt.NDArray[np.int32]) -> npt.NDArray[np.uint64]:
    """A number for each cell that looks random (the finaliser of splitmix64; Steele et al., OOPSLA 2014)."""
    x = cells[:, 0].astype(np.uint64) << np.uint64(32) | cells[:, 1].astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ x >> np.uint64(shift)) * np.uint64(factor)
    return x ^ x >> np.uint64(31)


def inspect_slide(
    slide: Slide,
    tissue: TissueMask,
    tiles: TileGrid,
    coverage: Coverage,
    unreadable_share: float,
    *,
    threads: int | None = None,
    reduce_in_decoder: bool = False,
) -> Quality:
    """Measure blur, pen marks, folds and coverage.

    What was seen is kept while the slide is open, so that another region of it is judged almost at once.

    Parameters
    ----------
    slide : Slide
        The slide.
    tissue : TissueMask
        The tissue, or the part of it that is asked about.
    tiles : TileGrid
        The tiles of the run.
    coverage : Coverage
        What became of them.
    unreadable_share : float
        What share of them may be unreadable, 0 to 1.
    threads : int, optional
        As for `TileReader`.
    reduce_in_decoder : bool
        As for `TileReader`.

    Returns
    -------
    Quality
        For the record.
    """
    seen = view_slide(slide, tissue.grid.spacing_um[0], keep=False).quality.within(tissue.mask)
    key = (tiles.grid.spacing_um, tiles.grid.origin_um, tiles.um_per_px, reduce_in_decoder, seen.glass)
    known: Figures = slide.findings.once(_TILES, key, dict)
    judged = tiles.um_per_px <= COARSEST_UM_PER_PX
    sample = sampled_tiles(tiles.cells) if judged else np.zeros(0, np.int64)
    names = [(int(row), int(column)) for row, column in tiles.cells[sample]]
    missing = sample[[name not in known for name in names]] if names else sample
    found = _measured(slide, tiles, missing, seen.glass, threads=threads, reduce_in_decoder=reduce_in_decoder)
    slide.findings.put(_TILES, key, known | found)
    measured = TileQuality.joined((known | found)[name] for name in names)
    # Too few tiles, and too many unreadable ones, have reasons of their own: here they are told.
    limits = QualityLimits(tissue_mm2=None, unreadable=unreadable_share)
    tried = (coverage.tiles_unreadable, coverage.tiles_used + coverage.tiles_unreadable)
    return _record(judge_slide(measured, seen, limits, tried), measured)


def _measured(
    slide: Slide,
    tiles: TileGrid,
    sample: npt.NDArray[np.int64],
    glass: tuple[float, float, float],
    *,
    threads: int | None,
    reduce_in_decoder: bool,
) -> Figures:
    """Read some tiles and measure each."""
    figures: Figures = {}
    if not len(sample):
        return figures
    with TileReader(slide, tiles, order=sample, threads=threads, reduce_in_decoder=reduce_in_decoder) as reader:
        for batch in reader:
            quality = measure_tiles(batch.pixels, tiles.um_per_px, glass, batch.readable)
            for number, index in enumerate(batch.indices):
                row, column = tiles.cells[index].tolist()
                figures[row, column] = quality.one(number)
    return figures


def _record(quality: SlideQuality, tiles: TileQuality) -> Quality:
    median = quality.median_sharpness
    return Quality(
        tiles_sampled=int(tiles.readable.sum()),
        tiles_judged=int(tiles.judged.sum()),
        median_sharpness=median if math.isfinite(median) else None,
        findings=tuple(
            QualityFinding(kind=one.kind, value=one.value, limit=one.limit, passed=one.passed, text=one.text)
            for one in quality.findings
        ),
    )
