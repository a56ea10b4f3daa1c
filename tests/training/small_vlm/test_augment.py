from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.training.small_vlm import augment
from napari_mmlnb.training.small_vlm.augment import plain, restained, turned


@pytest.fixture
def tile():
    return np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def test_the_model_sees_its_own_scale(tile):
    assert plain(tile).min() == -1
    assert plain(tile).max() == 1
    stained = restained(tile, np.random.default_rng(1))
    assert stained.dtype == np.float32
    assert -1 <= stained.min() < stained.max() <= 1


def test_glass_stays_bright_and_what_is_darker_stays_darker():
    ramp = np.repeat(np.linspace(10, 255, 64, dtype=np.uint8)[:, None, None], 3, axis=2)
    for seed in range(20):
        stained = restained(ramp, np.random.default_rng(seed)).mean(axis=2)[:, 0]
        assert stained[-1] > 0.8
        assert (np.diff(stained) > -1e-4).all()


def test_without_spread_nothing_is_changed(tile, monkeypatch):
    for name in ("STRENGTH", "CHANNEL", "MIXTURE", "LAMP"):
        monkeypatch.setattr(augment, name, 0.0)
    assert np.abs(restained(tile, np.random.default_rng(0)) - plain(tile)).max() < 0.02


@given(st.integers(0, 7))
def test_pixels_and_truth_are_turned_alike(way):
    pixels = np.arange(16 * 16).reshape(16, 16, 1)
    squares = pixels.reshape(4, 4, 4, 4, 1).mean(axis=(1, 3))
    assert (turned(pixels, way).reshape(4, 4, 4, 4, 1).mean(axis=(1, 3)) == turned(squares, way)).all()
