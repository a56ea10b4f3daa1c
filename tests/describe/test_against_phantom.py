"""Measured against what is known: phantoms whose every tile has its truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from napari_mmlnb.describe.measurements import measure_tile
from napari_mmlnb.describe.sentences import values_of
from napari_mmlnb.phantom.slide import write_phantom
from napari_mmlnb.phantom.truth import PhantomTruth, TileAttributes
from napari_mmlnb.slides.slide import open_slide

Pair = tuple[TileAttributes, dict[str, float]]
SIDE = 224
PX = 6 * SIDE


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    """What is true and what was measured, a tile each, of tiles that are mostly tissue."""
    folder = tmp_path_factory.mktemp("phantoms")
    found = []
    for subtype, seed in (("ud", 4101), ("pd", 4102), ("d", 4103), ("d", 4104)):
        path: Path = folder / f"{subtype}{seed}.tiff"
        write_phantom(path, subtype=subtype, seed=seed, size=(PX, PX))
        truth = PhantomTruth.from_file(path.with_suffix(".truth.json"))
        with open_slide(path) as slide:
            picture = slide.read(0, 0, 0, PX, PX)
        for tile in truth.tile_attributes:
            if tile.tissue > 0.7 and tile.neuroblastic_cells >= 10:
                y, x = tile.row * SIDE, tile.column * SIDE
                rgb = np.ascontiguousarray(picture[y : y + SIDE, x : x + SIDE])
                found.append((tile, values_of(measure_tile(rgb, truth.mpp))))
    assert len(found) >= 30
    return found


def rank_correlation(pairs: list[Pair], attribute: str, name: str, least_cells: int) -> float:
    kept = [(t, v) for t, v in pairs if name in v and t.neuroblastic_cells >= least_cells]
    return float(spearmanr([getattr(t, attribute) for t, _ in kept], [v[name] for _, v in kept]).statistic)


def test_neuropil_like_follows_neuropil(pairs: list[Pair]) -> None:
    assert rank_correlation(pairs, "neuropil", "neuropil_like_fraction", 10) >= 0.5


def test_ample_cytoplasm_like_follows_the_cells_that_have_it(pairs: list[Pair]) -> None:
    assert rank_correlation(pairs, "differentiating", "ample_cytoplasm_like_share", 25) >= 0.5


def test_density_follows_the_number_of_cells(pairs: list[Pair]) -> None:
    assert rank_correlation(pairs, "neuroblastic_cells", "nuclear_density", 10) >= 0.5
