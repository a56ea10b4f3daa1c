from __future__ import annotations

import numpy as np
import pytest

from napari_mmlnb.describe.measurements import MEASURES, measure_tile
from napari_mmlnb.describe.sentences import values_of

from .conftest import Paint, lattice

UNITS = {"1/mm2", "um", "%", "OD", "1/100 nuclei"}


def measured(rgb: np.ndarray, um_per_px: float = 0.5) -> dict[str, float]:
    return values_of(measure_tile(rgb, um_per_px))


def test_names_and_units_are_stable(crowded: np.ndarray) -> None:
    found = measure_tile(crowded, 0.5)
    assert [m.name for m in found] == [m.name for m in MEASURES]
    assert {m.unit for m in found} == UNITS
    assert all(m.name == m.name.lower() and m.name.isidentifier() for m in found)


def test_density_is_nuclei_to_the_square_millimetre(paint: Paint) -> None:
    centres = lattice(14.0)
    values = measured(paint(centres, 8.0))
    assert values["nuclear_density"] == pytest.approx(len(centres) / 0.112**2, rel=0.02)
    assert values["nuclear_area_fraction"] == pytest.approx(100 * len(centres) * np.pi * 16 / 112**2, rel=0.15)
    assert values["nuclear_diameter_variation"] < 5


def test_density_counts_tissue_only(paint: Paint) -> None:
    centres = [c for c in lattice(14.0) if c[1] < 50]
    rgb = paint(centres, 8.0)
    rgb[:, 120:] = 250
    values = measured(rgb)
    assert values["tissue_fraction"] == pytest.approx(100 * 120 / 224, abs=4)
    assert values["nuclear_density"] == pytest.approx(len(centres) / (0.112 * 0.060), rel=0.03)


def test_mixed_sizes_vary_more(paint: Paint) -> None:
    centres = lattice(18.0)
    sizes = [6.0 if i % 2 else 13.0 for i in range(len(centres))]
    even, mixed = measured(paint(centres, 9.0)), measured(paint(centres, sizes))
    assert mixed["nuclear_diameter_variation"] > 25 > even["nuclear_diameter_variation"]
    assert mixed["nuclear_diameter_p90"] == pytest.approx(13.0, abs=1.0)


def test_more_eosin_is_measured_as_more_eosin(paint: Paint) -> None:
    pale, strong = (measured(paint([], 8.0, eosin=e)) for e in (0.2, 0.5))
    assert pale["eosin_density"] == pytest.approx(0.2, abs=0.03)
    assert strong["eosin_density"] == pytest.approx(0.5, abs=0.03)
    assert strong["haematoxylin_density"] < 0.05


@pytest.mark.parametrize("um_per_px", [0.25, 0.35, 0.8])
def test_the_same_tissue_at_another_scale_measures_the_same(paint: Paint, um_per_px: float) -> None:
    centres = lattice(14.0)
    here, there = measured(paint(centres, 9.0)), measured(paint(centres, 9.0, um_per_px=um_per_px), um_per_px)
    assert there["nuclear_density"] == pytest.approx(here["nuclear_density"], rel=0.05)
    assert there["nuclear_diameter_median"] == pytest.approx(here["nuclear_diameter_median"], rel=0.06)
    assert there["haematoxylin_density"] == pytest.approx(here["haematoxylin_density"], rel=0.1)
    assert there["eosin_density"] == pytest.approx(here["eosin_density"], rel=0.1)


def test_areas_share_the_tissue_out(crowded: np.ndarray) -> None:
    values = measured(crowded)
    parts = [v for name, v in values.items() if name.endswith("_fraction") and name != "tissue_fraction"]
    assert all(0 <= part <= 100 for part in parts)
    assert sum(parts) <= 100 + 1e-6


def test_glass_gives_the_share_of_tissue_alone() -> None:
    found = measure_tile(np.full((224, 224, 3), 245, np.uint8), 0.5)
    assert [m.name for m in found] == ["tissue_fraction"]
    assert found[0].value == 0


def test_few_nuclei_are_not_sized(paint: Paint) -> None:
    values = measured(paint([(50.0, 50.0), (80.0, 80.0)], 9.0))
    assert "nuclear_density" in values
    assert not {"nuclear_diameter_median", "ample_cytoplasm_like_share", "dark_fragments_per_100_nuclei"} & set(values)


@pytest.mark.parametrize("kind", ["white", "black", "noise", "tiny", "odd", "one pixel"])
def test_whatever_comes_is_measured(kind: str) -> None:
    rng = np.random.default_rng(7)
    tiles = {
        "white": np.full((224, 224, 3), 255, np.uint8),
        "black": np.zeros((224, 224, 3), np.uint8),
        "noise": rng.integers(0, 256, (224, 224, 3), np.uint8),
        "tiny": rng.integers(0, 256, (5, 3, 3), np.uint8),
        "odd": rng.integers(0, 256, (113, 57, 3), np.uint8),
        "one pixel": np.zeros((1, 1, 3), np.uint8),
    }
    for um_per_px in (0.2, 0.5, 1.0):
        for measurement in measure_tile(tiles[kind], um_per_px):
            assert np.isfinite(measurement.value), measurement
            assert measurement.value >= 0, measurement


def test_the_same_pixels_give_the_same_numbers() -> None:
    rgb = np.random.default_rng(3).integers(60, 256, (224, 224, 3), np.uint8)
    assert measure_tile(rgb, 0.5) == measure_tile(rgb.copy(), 0.5)


@pytest.mark.parametrize(
    ("rgb", "um_per_px"),
    [
        (np.zeros((8, 8), np.uint8), 0.5),
        (np.zeros((8, 8, 4), np.uint8), 0.5),
        (np.zeros((0, 8, 3), np.uint8), 0.5),
        (np.zeros((8, 8, 3), np.float32), 0.5),
        (np.zeros((8, 8, 3), np.uint8), 0.0),
        (np.zeros((8, 8, 3), np.uint8), float("nan")),
    ],
)
def test_what_is_no_tile_is_refused(rgb: np.ndarray, um_per_px: float) -> None:
    with pytest.raises(ValueError, match=r"not an RGB tile|micrometres per pixel"):
        measure_tile(rgb, um_per_px)
