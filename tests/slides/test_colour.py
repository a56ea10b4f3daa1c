from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.slides.colour import EOSIN, HAEMATOXYLIN, optical_density, separate_stains


def stained(haematoxylin: float, eosin: float):
    """The colour that given amounts of the stains leave of white light (Beer-Lambert)."""
    vectors = np.array([HAEMATOXYLIN, EOSIN])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    light = 255 * 10 ** -(haematoxylin * vectors[0] + eosin * vectors[1])
    return np.rint(light).astype(np.uint8)


@given(st.floats(0, 0.6), st.floats(0, 0.6))  # above that, 8 bits leave too few grey levels
def test_amounts_of_the_stains_come_back(haematoxylin, eosin):
    h, e, residual = separate_stains(stained(haematoxylin, eosin)[None, None])[0, 0]
    assert h == pytest.approx(haematoxylin, abs=0.03)
    assert e == pytest.approx(eosin, abs=0.03)
    assert residual == pytest.approx(0, abs=0.03)


def test_density_of_known_light():
    rgb = np.array([[[255, 0, 128]]], np.uint8)
    assert optical_density(rgb)[0, 0] == pytest.approx([0, np.log10(255), np.log10(255 / 128)], abs=1e-6)
    assert optical_density(rgb).dtype == np.float32


def test_density_against_the_slides_own_glass():
    rgb = np.full((2, 2, 3), (230, 225, 200), np.uint8)
    assert np.abs(optical_density(rgb, (230, 225, 200))).max() < 1e-6


def test_shapes_and_order():
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[:] = stained(0.8, 0.0)
    out = separate_stains(picture)
    assert out.shape == (4, 6, 3)
    assert out.dtype == np.float32
    assert (out[..., 0] > 0.7).all()
    assert (np.abs(out[..., 1]) < 0.05).all()
