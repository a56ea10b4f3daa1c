from __future__ import annotations

import numpy as np
import pytest

from napari_mmlnb.quality.tile_quality import TileQuality, measure_tiles
from tests.quality.made import GLASS, defocused, tissue_tile


def batch() -> np.ndarray:
    glass = np.full((224, 224, 3), 243, np.uint8)
    inked = tissue_tile(3)
    inked[:, :112] = (30, 60, 190)
    half = tissue_tile(2)
    half[:112] = 243
    return np.stack([tissue_tile(0), defocused(tissue_tile(1), 4.0), half, inked, glass])


def test_each_tile_of_a_batch_is_measured_for_itself() -> None:
    quality = measure_tiles(batch(), 0.5, GLASS)
    assert quality.blurred.tolist() == [False, True, False, False, False]
    assert quality.judged.tolist() == [True, True, True, True, False]
    assert quality.tissue[0] > 0.95
    assert quality.tissue[2] == pytest.approx(0.5, abs=0.08)
    assert quality.tissue[4] == 0
    assert quality.pen[3] == pytest.approx(0.72, abs=0.12)  # half, and the rim in which ink thins out
    assert quality.pen[:3].max() == 0


def test_what_cannot_be_read_is_not_measured() -> None:
    readable = np.array([True, False, True, True, True])
    quality = measure_tiles(batch(), 0.5, GLASS, readable)
    assert np.isnan([quality.sharpness[1], quality.tissue[1], quality.pen[1]]).all()
    assert not quality.blurred[1]
    assert quality.readable.tolist() == readable.tolist()


def test_the_size_of_a_batch_changes_nothing() -> None:
    tiles = batch()
    once = measure_tiles(tiles, 0.5, GLASS)
    parts = TileQuality.joined(measure_tiles(tiles[i : i + 2], 0.5, GLASS) for i in range(0, 5, 2))
    for field in ("sharpness", "tissue", "pen", "readable"):
        np.testing.assert_array_equal(getattr(once, field), getattr(parts, field))
    assert len(TileQuality.joined([])) == 0
