from __future__ import annotations

import cv2
import numpy as np
import pytest

from napari_mmlnb.quality.pen import pen_mask
from tests.quality.made import GLASS, overview

INKS = {"blue": (30, 60, 190), "green": (20, 130, 70), "black": (15, 15, 18)}


def stroke(shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    cv2.line(mask, (60, 10), (140, 140), 1, 24)
    return mask.astype(bool)


@pytest.mark.parametrize("ink", INKS)
def test_a_stroke_is_found_over_glass_and_tissue(ink: str) -> None:
    rgb, tissue = overview()
    where = stroke(tissue.shape)
    found = pen_mask(np.where(where[..., None], np.array(INKS[ink], np.uint8), rgb), GLASS, 8.0)
    assert (found & where).sum() > 0.9 * where.sum()
    assert (found & ~where).sum() < 0.4 * where.sum()  # the rim


def test_stained_tissue_is_no_ink() -> None:
    rgb, _ = overview()
    assert not pen_mask(rgb, GLASS, 8.0).any()
