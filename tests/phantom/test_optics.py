from __future__ import annotations

import itertools

import numpy as np
import pytest

from napari_mmlnb.phantom.optics import BLOOD, CALCIUM, EOSIN, HAEMATOXYLIN, Optics, draw_optics, transmit


@pytest.fixture
def optics() -> Optics:
    return draw_optics(np.random.default_rng(4))


def _colour(optics: Optics, **concentration: float) -> np.ndarray:
    canvas = np.zeros((4, 2, 3), np.float32)
    for plane, amount in zip((HAEMATOXYLIN, EOSIN, BLOOD, CALCIUM), "hebc", strict=True):
        canvas[plane] = concentration.get(amount, 0.0)
    return transmit(canvas, optics)[0, 0].astype(int)


def test_glass_shows_the_lamp(optics):
    assert _colour(optics) == pytest.approx(255 * optics.lamp**optics.gamma, abs=0.51)


def test_beer_lambert_densities_add_up():
    optics = Optics(np.eye(4, 3), np.zeros(3), np.ones(3), 1.0, 0.0, 0.0, 90)
    assert _colour(optics, h=1.0).tolist() in ([25, 255, 255], [26, 255, 255])  # 255 / 10
    assert _colour(optics, h=0.5, e=0.25).tolist() == [81, 143, 255]  # 255 / 10 ** 0.5, 255 / 10 ** 0.25
    assert _colour(optics, b=2.0).tolist() == [255, 255, 3]


@pytest.mark.parametrize("seed", range(12))
def test_haematoxylin_is_blue_eosin_pink_and_blood_red(seed):
    optics = draw_optics(np.random.default_rng(seed))
    red, green, blue = _colour(optics, h=0.8)
    assert blue > red and blue > green
    red, green, blue = _colour(optics, e=0.3)
    assert red > blue > green
    red, green, blue = _colour(optics, b=0.5)
    assert red > 1.5 * max(green, blue)


def test_more_haematoxylin_absorbs_more_red(optics):
    reds = [_colour(optics, h=amount)[0] for amount in (0.0, 0.2, 0.4, 0.8, 1.6)]
    assert all(a > b for a, b in itertools.pairwise(reds))


def test_ink_darkens_whatever_lies_under_it(optics):
    canvas = np.full((4, 4, 4), 0.1, np.float32)
    inked = transmit(canvas, optics, ink=np.ones((4, 4), np.float32))
    assert (inked < transmit(canvas, optics)).all()


def test_a_stain_shift_leaves_the_range_of_training():
    def pink(shift):
        return np.array([_colour(draw_optics(np.random.default_rng(seed), shift), h=0.3, e=0.3) for seed in range(60)])

    usual, shifted = pink(0.0), pink(1.0)
    away = np.abs(shifted - usual.mean(axis=0)) / usual.std(axis=0)
    assert (away.max(axis=1) > 2.0).mean() > 0.5
