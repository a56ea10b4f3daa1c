from __future__ import annotations

import math

import numpy as np
import pytest

from napari_mmlnb.quality.blur import sharpness
from tests.quality.made import defocused, paler, tissue_tile


@pytest.mark.parametrize("seed", range(4))
def test_sharp_tissue_is_sharp_and_defocus_of_a_micrometre_and_a_half_is_blur(seed: int) -> None:
    tile = tissue_tile(seed)
    assert sharpness(tile, 0.5) > 1
    for width_um in (1.5, 2.0, 3.0, 5.0):
        assert sharpness(defocused(tile, 2 * width_um), 0.5) < 1


def test_sharpness_falls_with_every_step_of_blur() -> None:
    tile = tissue_tile()
    values = [sharpness(tile, 0.5)] + [sharpness(defocused(tile, 2 * um), 0.5) for um in (0.5, 1.0, 1.5, 2.0)]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("strength", [0.3, 0.6, 1.3])
def test_the_amount_of_stain_does_not_enter(strength: float) -> None:
    tile = tissue_tile()
    assert sharpness(paler(tile, strength), 0.5) == pytest.approx(sharpness(tile, 0.5), rel=0.25)
    assert sharpness(defocused(paler(tile, strength), 4.0), 0.5) < 1


def test_few_cells_are_no_blur() -> None:
    assert sharpness(tissue_tile(nuclei=8), 0.5) > 1


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_empty_glass_is_not_judged(noise: float) -> None:
    glass = np.random.default_rng(0).normal(243, noise, (224, 224, 3)).clip(0, 255).astype(np.uint8)
    assert math.isnan(sharpness(glass, 0.5))


def test_a_scale_too_coarse_for_it_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        sharpness(tissue_tile(), 1.0)
    with pytest.raises(ValueError, match="um per pixel"):
        sharpness(tissue_tile(), 0.0)
