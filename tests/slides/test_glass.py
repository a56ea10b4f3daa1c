"""The colour of glass, whatever lies on it and beside it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_mmlnb.slides.glass import USUAL, glass_colour

SHAPE = (200, 300)


def picture(colour, share: float = 1.0, beside=(180, 90, 150), noise: float = 1.0, seed: int = 0):
    """Glass over a share of the picture, something else over the rest."""
    rng = np.random.default_rng(seed)
    out = np.empty((*SHAPE, 3))
    out[:] = beside
    out[:, : round(share * SHAPE[1])] = colour
    return np.clip(out + rng.normal(0, noise, out.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "colour", [(243, 243, 243), (250, 252, 252), (205, 204, 206), (150, 150, 148), (240, 236, 200), (230, 240, 245)]
)
@pytest.mark.parametrize("share", [1.0, 0.5, 0.05])
def test_glass_of_any_colour(colour, share):
    assert glass_colour(picture(colour, share)) == pytest.approx(colour, abs=1)


@pytest.mark.parametrize("stain", [(236, 222, 232), (226, 150, 190), (120, 90, 160), (200, 190, 225)])
def test_stain_is_no_glass(stain):
    assert glass_colour(picture(stain)) == USUAL
    assert glass_colour(picture((240, 240, 238), 0.1, beside=stain)) == pytest.approx((240, 240, 238), abs=1)


def test_white_that_fills_what_was_not_scanned_is_no_glass():
    filled = picture((231, 226, 222), 0.4)
    filled[:, 150:] = 255
    assert glass_colour(filled) == pytest.approx((231, 226, 222), abs=1)


def test_a_scanner_that_burns_its_glass_out_to_white():
    burnt = picture((255, 255, 255), 0.6, noise=0)
    assert glass_colour(burnt) == (255, 255, 255)


def test_a_speck_of_glare_is_not_taken_for_it():
    glare = picture((228, 228, 226))
    glare[5:15, 5:25] = 250
    assert glass_colour(glare) == pytest.approx((228, 228, 226), abs=1)


@pytest.mark.parametrize("level", [0, 40])
def test_black_is_no_glass(level):
    assert glass_colour(np.full((50, 50, 3), level, np.uint8)) == USUAL


def test_a_picture_without_pixels():
    assert glass_colour(np.zeros((0, 3), np.uint8)) == USUAL
