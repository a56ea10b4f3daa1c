"""Structures larger than a cell as stamps: vessels, cores of rosettes, deposits of calcium, fat cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_mmlnb.phantom.noise import Field
from napari_mmlnb.phantom.optics import CALCIUM, EOSIN, HAEMATOXYLIN
from napari_mmlnb.phantom.outline import Outline, Plot, ramp
from napari_mmlnb.phantom.stamps import Stamp, StampSet

Drawer = Callable[[np.random.Generator, float, float], Stamp]


def vessel(rng: np.random.Generator, radius: float, mpp: float) -> Stamp:
    """A clear lumen with a thin pink wall; its endothelium is drawn as cells."""
    wall = 1.2 + 0.10 * radius
    plot = Plot.of(radius * 1.5 + wall + 2.0, mpp)
    depth = plot.depth(Outline.random(rng, radius, ragged=0.04, stretch=0.05))
    lumen = ramp(depth, 1.0)
    ring = ramp(depth + np.float32(wall), 1.2) * (1.0 - lumen)
    plasma = rng.choice((0.0, 0.09))
    eosin = ring * (0.34 + 0.06 * plot.noise(rng, 2.0)) + plasma * lumen
    return Stamp.of(lumen + 0.85 * ring, {EOSIN: eosin, HAEMATOXYLIN: 0.04 * ring})


def rosette_core(rng: np.random.Generator, radius: float, mpp: float) -> Stamp:
    """Neuropil in the middle of a Homer-Wright rosette: fibrils that run together towards its centre."""
    plot = Plot.of(radius * 1.35 + 1.0, mpp)
    outline = Outline.random(rng, radius, ragged=0.05, stretch=0.1)
    body = plot.fill(outline, soft_um=5.0)
    theta = np.arctan2(plot.y, plot.x)
    spokes = np.zeros(plot.shape, np.float32)
    for _ in range(5):
        order = int(rng.integers(7, 24))
        twist = rng.normal(0.0, 0.05)
        spokes += np.cos(
            order * theta + np.float32(twist) * np.hypot(plot.x, plot.y) * order + np.float32(rng.uniform(0, 6.3))
        )
    felt = 0.06 * plot.noise(rng, 0.9) + 0.035 * spokes
    eosin = body * np.clip(0.30 + felt, 0.03, None)
    return Stamp.of(0.9 * body, {EOSIN: eosin.astype(np.float32), HAEMATOXYLIN: 0.04 * body})


def calcification(rng: np.random.Generator, radius: float, mpp: float) -> Stamp:
    """A blue-purple, brittle deposit with a ragged edge."""
    plot = Plot.of(radius * 1.7 + 2.0, mpp)
    depth = plot.depth(Outline.random(rng, radius, ragged=0.13, stretch=0.22))
    depth = depth + np.float32(0.16 * radius) * plot.noise(rng, 0.4 * radius + 1.0)
    body = ramp(depth, max(mpp, 0.7))
    layers = 0.10 * np.sin(depth * np.float32(rng.uniform(0.9, 2.0)))
    mass = np.clip(0.60 + 0.22 * plot.noise(rng, 2.2) + 0.16 * plot.noise(rng, 0.8) + layers, 0.1, None)
    rim = np.exp(-((depth - 0.6) ** 2) / 0.7)
    pigment: Field = body * (mass + 0.25 * rim)
    return Stamp.of(0.95 * body, {CALCIUM: pigment, EOSIN: 0.05 * body}, slice(0, 4))


def adipocyte(rng: np.random.Generator, radius: float, mpp: float) -> Stamp:
    """An empty fat cell with a thin membrane."""
    plot = Plot.of(radius * 1.45 + 2.0, mpp)
    depth = plot.depth(Outline.random(rng, radius, ragged=0.05, stretch=0.1))
    body = ramp(depth, 0.8)
    membrane = np.exp(-((depth - 0.5) ** 2) / 0.6)
    return Stamp.of(body, {EOSIN: 0.20 * membrane * (depth > -1.0), HAEMATOXYLIN: 0.03 * membrane * (depth > -1.0)})


_DRAWERS: dict[str, tuple[Drawer, float, float, int]] = {
    "vessel": (vessel, 4.5, 28.0, 16),
    "rosette": (rosette_core, 11.0, 19.0, 12),
    "calcification": (calcification, 3.0, 32.0, 22),
    "adipocyte": (adipocyte, 18.0, 27.0, 12),
}


def structure_stamps(rng: np.random.Generator, mpp: float) -> dict[str, StampSet]:
    """Draw the stamps of all structures for one slide, over the range of their sizes."""
    sets = {}
    for kind, (drawer, smallest, largest, number) in _DRAWERS.items():
        sizes = tuple(float(r) for r in np.geomspace(smallest, largest, number))
        sets[kind] = StampSet(tuple(drawer(rng, size, mpp) for size in sizes), sizes=sizes)
    return sets
