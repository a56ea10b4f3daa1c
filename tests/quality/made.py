"""Tiles and overviews with nuclei on pink ground, drawn small and quickly."""

from __future__ import annotations

import cv2
import numpy as np

GLASS = (243.0, 243.0, 243.0)
EOSIN = np.array((0.03, 0.28, 0.14), np.float32)
HAEMATOXYLIN = np.array((0.50, 0.55, 0.25), np.float32)


def tissue_tile(seed: int = 0, side: int = 224, nuclei: int = 160, radius_px: float = 7.0) -> np.ndarray:
    """Nuclei with chromatin and a sharp rim on fibrous eosin; 0.5 um per pixel."""
    rng = np.random.default_rng(seed)
    fibres = cv2.GaussianBlur(rng.normal(0, 1, (side, side)).astype(np.float32), (0, 0), sigmaX=4, sigmaY=1.2)
    density = np.clip(1 + 2 * fibres, 0.2, 2)[..., None] * EOSIN
    cells = np.zeros((side, side), np.float32)
    for y, x in rng.uniform(0, side, (nuclei, 2)):
        axes = rng.uniform(0.8, 1.2, 2) * radius_px
        cv2.ellipse(cells, ((x, y), tuple(2 * axes), rng.uniform(0, 180)), float(rng.uniform(0.7, 1.2)), -1)
    chromatin = cv2.GaussianBlur(rng.normal(0, 1, (side, side)).astype(np.float32), (0, 0), 1.0)
    density += (cells * np.clip(1 + chromatin, 0.3, 2))[..., None] * HAEMATOXYLIN
    return exposed(density, rng)


def exposed(density: np.ndarray, rng: np.random.Generator, noise: float = 1.5) -> np.ndarray:
    """Densities (h, w, 3) as a sensor sees them."""
    light = np.float32(GLASS[0]) * 10.0**-density
    light = cv2.GaussianBlur(light.astype(np.float32), (0, 0), 0.5)
    return np.clip(light + rng.normal(0, noise, light.shape) + 0.5, 0, 255).astype(np.uint8)


def defocused(tile: np.ndarray, width_px: float, noise: float = 1.5) -> np.ndarray:
    """Blurred, with the sensor's noise afterwards."""
    soft = cv2.GaussianBlur(tile.astype(np.float32), (0, 0), width_px)
    return np.clip(soft + np.random.default_rng(9).normal(0, noise, tile.shape) + 0.5, 0, 255).astype(np.uint8)


def paler(tile: np.ndarray, strength: float) -> np.ndarray:
    """Every optical density that much lower."""
    glass = np.float32(GLASS[0])
    return np.clip(glass * (np.maximum(tile, 1) / glass) ** strength + 0.5, 0, 255).astype(np.uint8)


def overview(height: int = 150, width: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A round piece of tissue on glass, 8 um per pixel, and where it is."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((height, width))
    tissue = np.hypot(rows - height / 2, columns - width / 2) < 0.45 * height
    patches = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 6) * 4
    density = tissue[..., None] * (EOSIN + 0.35 * np.clip(1 + 0.4 * patches, 0.3, 1.7)[..., None] * HAEMATOXYLIN)
    return exposed(density, rng), tissue


def doubled(rgb: np.ndarray, where: np.ndarray, factor: float = 2.0) -> np.ndarray:
    """Density times a factor somewhere."""
    return np.where(where[..., None], paler(rgb, factor), rgb)
