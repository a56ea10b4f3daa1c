from __future__ import annotations

import cv2
import numpy as np
import pytest

from napari_mmlnb.quality.folds import fold_mask
from tests.quality.made import GLASS, HAEMATOXYLIN, doubled, overview

UM = 8.0


def band(shape: tuple[int, int], thickness: int = 5, length: int = 60) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    middle, left = shape[0] // 2, shape[1] // 2 - length // 2
    cv2.line(mask, (left, middle - 8), (left + length, middle + 8), 1, thickness)
    return mask.astype(bool)


@pytest.mark.parametrize("seed", range(3))
def test_a_band_of_twice_the_density_is_a_fold_and_the_rest_is_not(seed: int) -> None:
    rgb, tissue = overview(seed=seed)
    where = band(tissue.shape)
    found = fold_mask(doubled(rgb, where), tissue, GLASS, UM)
    assert (found & where).sum() > 0.6 * where.sum()
    assert not (found & ~cv2.dilate(where.astype(np.uint8), np.ones((7, 7))).astype(bool)).any()


@pytest.mark.parametrize("seed", range(3))
def test_flat_tissue_has_no_folds(seed: int) -> None:
    rgb, tissue = overview(seed=seed)
    assert not fold_mask(rgb, tissue, GLASS, UM).any()


def test_a_band_of_nuclei_is_no_fold() -> None:
    rgb, tissue = overview()
    cells = rgb * 10.0 ** -(0.25 * HAEMATOXYLIN * band(tissue.shape)[..., None] * np.array((1.6, 0.2, 0.2)))
    assert not fold_mask(cells.astype(np.uint8), tissue, GLASS, UM).any()


def test_a_round_dense_area_is_no_fold() -> None:
    rgb, tissue = overview()
    rows, columns = np.indices(tissue.shape)
    disc = np.hypot(rows - 75, columns - 100) < 8
    assert not fold_mask(doubled(rgb, disc), tissue, GLASS, UM).any()


def test_without_tissue_there_are_no_folds() -> None:
    rgb, tissue = overview()
    assert not fold_mask(rgb, np.zeros_like(tissue), GLASS, UM).any()
