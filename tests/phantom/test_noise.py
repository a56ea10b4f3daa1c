from __future__ import annotations

import numpy as np
import pytest

from napari_mmlnb.phantom.noise import filtered, fractal_field, smooth_field, white_spectrum


@pytest.mark.parametrize("scale", [3.0, 20.0, 90.0])
def test_a_smooth_field_has_unit_spread_and_the_asked_scale(scale):
    field = smooth_field(np.random.default_rng(0), (700, 600), scale)
    assert field.std() == pytest.approx(1.0, abs=0.3)
    far, near = round(1.5 * scale), max(round(0.1 * scale), 1)
    assert np.corrcoef(field[:-near].ravel(), field[near:].ravel())[0, 1] > 0.75
    assert abs(np.corrcoef(field[:-far].ravel(), field[far:].ravel())[0, 1]) < 0.35


def test_a_fractal_field_does_not_repeat():
    field = fractal_field(np.random.default_rng(1), (600, 600), 40.0)
    spectrum = np.abs(np.fft.fft2(field - field.mean())) ** 2
    echo = np.fft.ifft2(spectrum).real / spectrum.sum() * spectrum.size
    echo = echo / echo[0, 0]
    assert echo[120:480, 120:480].max() < 0.5


def test_filtered_noise_continues_across_its_edges():
    noise = filtered(white_spectrum(np.random.default_rng(2), 128), 4.0, 4.0)
    steps = np.abs(np.diff(noise, axis=0)).mean()
    assert np.abs(noise[0] - noise[-1]).mean() < 1.6 * steps


def test_streaks_lie_along_their_angle():
    noise = filtered(white_spectrum(np.random.default_rng(3), 256), 12.0, 1.0, angle=0.0)
    assert np.abs(np.diff(noise, axis=1)).mean() < 0.3 * np.abs(np.diff(noise, axis=0)).mean()
