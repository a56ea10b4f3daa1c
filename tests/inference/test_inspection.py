"""A run says how good the picture is, the same each time, and refuses what is out of focus."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from napari_mmlnb.inference import inspection
from napari_mmlnb.inference.inspection import inspect_slide, sampled_tiles
from napari_mmlnb.phantom.writer import write_pyramid
from napari_mmlnb.result import Coverage, Quality
from napari_mmlnb.slides.slide import Slide, open_slide
from napari_mmlnb.slides.tile_grid import TileGrid, build_tile_grid
from napari_mmlnb.slides.tissue import TissueMask, find_tissue


def _cells(rows: int, columns: int) -> np.ndarray:
    return np.argwhere(np.ones((rows, columns))).astype(np.int32)


def test_the_sample_is_fair_the_same_each_time_and_shared_by_a_slide_and_its_regions() -> None:
    cells = _cells(40, 50)
    sample = sampled_tiles(cells)
    assert len(set(sample.tolist())) == 64
    assert (sampled_tiles(cells) == sample).all()
    quadrants = np.histogram2d(*cells[sample].T, bins=2, range=[[0, 40], [0, 50]])[0]
    assert quadrants.min() >= 6
    region = cells[cells[:, 0] < 32]
    inside = {tuple(c) for c in cells[sample] if c[0] < 32}
    assert inside <= {tuple(c) for c in region[sampled_tiles(region)]}
    assert (sampled_tiles(_cells(3, 4)) == np.arange(12)).all()


def _tissue_and_tiles(slide: Slide) -> tuple[TissueMask, TileGrid]:
    tissue = find_tissue(slide)
    return tissue, build_tile_grid(tissue, 224, 0.5)


def _inspect(path: Path) -> Quality:
    with open_slide(path) as slide:
        tissue, tiles = _tissue_and_tiles(slide)
        coverage = Coverage(tissue_mm2=1, tiles_total=len(tiles), tiles_used=len(tiles), tiles_unreadable=0)
        return inspect_slide(slide, tissue, tiles, coverage, 0.02)


def _value(quality: Quality, kind: str) -> float:
    return next(one.value for one in quality.findings if one.kind == kind)


def test_a_slide_out_of_focus_is_found_out_and_a_sharp_one_is_not(small_slide: Path, tmp_path: Path) -> None:
    sharp = _inspect(small_slide)
    assert _value(sharp, "blur") <= 0.3
    assert sharp.tiles_sampled > 4
    rgb = tifffile.imread(small_slide)
    write_pyramid(tmp_path / "soft.tiff", cv2.GaussianBlur(rgb, (0, 0), 2.0 / 0.5), 0.5, 90)
    soft = _inspect(tmp_path / "soft.tiff")
    assert _value(soft, "blur") > 0.8
    assert soft.median_sharpness < 1 < sharp.median_sharpness
    assert [one.kind for one in soft.findings if not one.passed] == ["blur"]


def test_a_region_is_judged_by_its_own_tiles_and_reads_no_known_one_again(
    small_slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    measured = inspection.measure_tiles
    monkeypatch.setattr(
        inspection, "measure_tiles", lambda pixels, *rest: (read.append(len(pixels)), measured(pixels, *rest))[1]
    )
    with open_slide(small_slide) as slide:
        tissue, tiles = _tissue_and_tiles(slide)
        coverage = Coverage(tissue_mm2=1, tiles_total=len(tiles), tiles_used=len(tiles), tiles_unreadable=0)
        first = inspect_slide(slide, tissue, tiles, coverage, 0.02)
        known = sum(read)
        assert known == len(tiles)
        part = TileGrid(tiles.grid, tiles.cells[:3], tiles.tile_px, tiles.um_per_px)
        region = inspect_slide(slide, tissue, part, coverage, 0.02)
        assert sum(read) == known
        assert (first.tiles_sampled, region.tiles_sampled) == (len(tiles), 3)
