"""The attention colours: fixed scale, even steps over tissue, readable without red-green vision."""

import numpy as np
import pytest

from napari_mmlnb.report.colour_map import TISSUE_RGB, attention_rgba, blend, colour_table, srgb_to_oklab

# Linear-light simulation of full protanopia and deuteranopia (Vienot, Brettel & Mollon 1999).
DEFICIENCIES = {
    "protanopia": ((0.11238, 0.88762, 0.0), (0.11238, 0.88762, 0.0), (0.00401, -0.00401, 1.0)),
    "deuteranopia": ((0.29275, 0.70725, 0.0), (0.29275, 0.70725, 0.0), (-0.02234, 0.02234, 1.0)),
}


def seen_over_tissue(simulate=None):
    seen = blend(colour_table(256), TISSUE_RGB)
    if simulate is not None:
        linear = np.where(seen <= 0.04045, seen / 12.92, ((seen + 0.055) / 1.055) ** 2.4)
        linear = np.clip(linear @ np.array(simulate).T, 0, 1)
        seen = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return srgb_to_oklab(seen)


def test_steps_are_even_to_the_eye():
    steps = np.linalg.norm(np.diff(seen_over_tissue(), axis=0), axis=1)
    assert steps.min() > 0.9 * steps.max()


def test_more_attention_is_lighter():
    assert (np.diff(seen_over_tissue()[:, 0]) > 0).all()
    assert seen_over_tissue()[-1, 0] - seen_over_tissue()[0, 0] > 0.12


@pytest.mark.parametrize("name", DEFICIENCIES)
def test_low_middle_and_high_are_told_apart_without_red_green_vision(name):
    seen = seen_over_tissue(DEFICIENCIES[name])
    for a, b in ((0, 128), (128, 255), (64, 192)):
        assert np.linalg.norm(seen[a] - seen[b]) > 0.07


def test_low_attention_leaves_the_tissue_bare():
    assert colour_table(33)[0, 3] == 0
    assert attention_rgba(np.array([0.0]), (0, 4))[0, 3] == 0


def test_the_scale_is_fixed_and_knows_no_ranks():
    flat = np.full((5, 5), 1.0, np.float32)
    assert len(np.unique(attention_rgba(flat, (0, 4)).reshape(-1, 4), axis=0)) == 1
    values = np.array([0.5, 1.0, 2.0])
    with_outlier = attention_rgba(np.append(values, 3.9), (0, 4))
    assert np.array_equal(attention_rgba(values, (0, 4)), with_outlier[:3])


def test_beyond_the_scale_is_the_end_and_nan_is_nothing():
    low, high, beyond, below, nothing = attention_rgba(np.array([0.0, 4.0, 9.0, -1.0, np.nan]), (0, 4))
    assert np.array_equal(high, beyond)
    assert np.array_equal(low, below)
    assert not nothing.any()


def test_limits_must_ascend():
    with pytest.raises(ValueError, match="ascend"):
        attention_rgba(np.ones(3), (1.0, 1.0))
