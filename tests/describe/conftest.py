"""Tissue drawn for the tests: stains as concentrations, light by Beer and Lambert."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest

HAEMATOXYLIN = np.array([0.650, 0.704, 0.286])
EOSIN = np.array([0.072, 0.990, 0.105])

Paint = Callable[..., npt.NDArray[np.uint8]]


def paint_discs(
    centres_um: Sequence[tuple[float, float]],
    diameter_um: float | Sequence[float],
    um_per_px: float = 0.5,
    side_um: float = 112.0,
    eosin: float = 0.25,
    nuclear: float = 0.9,
) -> npt.NDArray[np.uint8]:
    """Round nuclei of known size on an even pink ground, each pixel averaged over 4 x 4 points."""
    fine = 4
    n = round(side_um / um_per_px)
    axis = (np.arange(n * fine) + 0.5) * um_per_px / fine
    inside = np.zeros((n * fine, n * fine), dtype=bool)
    sizes = np.broadcast_to(np.asarray(diameter_um, dtype=float), (len(centres_um),))
    for (y, x), size in zip(centres_um, sizes, strict=True):
        inside |= (axis[:, None] - y) ** 2 + (axis[None, :] - x) ** 2 < (size / 2) ** 2
    share = inside.reshape(n, fine, n, fine).mean(axis=(1, 3))[..., None]
    ground = 255 * 10 ** -(eosin * EOSIN)
    nucleus = 255 * 10 ** -(eosin * EOSIN + nuclear * HAEMATOXYLIN)
    return np.round(ground * (1 - share) + nucleus * share).astype(np.uint8)


def lattice(spacing_um: float, side_um: float = 112.0) -> list[tuple[float, float]]:
    """Centres on a square lattice that keeps clear of the edge."""
    steps = np.arange(spacing_um, side_um - spacing_um / 2, spacing_um)
    return [(float(y), float(x)) for y in steps for x in steps]


@pytest.fixture
def paint() -> Paint:
    return paint_discs


@pytest.fixture
def crowded() -> npt.NDArray[np.uint8]:
    """Seven-micrometre nuclei, ten micrometres apart."""
    return paint_discs(lattice(10.0), 7.0)
