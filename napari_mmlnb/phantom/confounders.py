"""What lies between tissue and reader: folds, places out of focus, pen marks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.phantom.layout import SPACING_UM, Layout
from napari_mmlnb.phantom.noise import Field, blur, distance_to_zero, fractal_field, smooth_field

RGB = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Confounders:
    """Rasters on the layout's grid, (h, w) float32.

    Parameters
    ----------
    fold : ndarray
        Extra layers of tissue; 0 where the section lies flat, 1 where it lies double.
    ink : ndarray
        Coverage by the pen, 0 to 1.
    defocus_um : ndarray
        Standard deviation of the blur, micrometres.
    """

    fold: Field
    ink: Field
    defocus_um: Field


def draw_confounders(rng: np.random.Generator, layout: Layout) -> Confounders:
    """Draw a slide's folds, pen marks and places out of focus; many slides have none of one kind."""
    return Confounders(
        fold=_folds(rng, layout) if rng.random() < 0.4 else np.zeros(layout.grid.shape, np.float32),
        ink=_pen(rng, layout) if rng.random() < 0.3 else np.zeros(layout.grid.shape, np.float32),
        defocus_um=_defocus(rng, layout) if rng.random() < 0.5 else np.zeros(layout.grid.shape, np.float32),
    )


def _path(rng: np.random.Generator, start: tuple[float, float], length: float, turn: float) -> npt.NDArray[np.float64]:
    """A curve of about that length, (n, 2) as (y, x), pixels."""
    steps = 40
    heading = rng.uniform(0.0, 2.0 * np.pi) + np.cumsum(rng.normal(0.0, turn, steps))
    move = length / steps * np.stack([np.sin(heading), np.cos(heading)], axis=1)
    path: npt.NDArray[np.float64] = np.asarray(start) + np.cumsum(move, axis=0)
    return path


def _stroke(shape: tuple[int, int], path: npt.NDArray[np.float64], width: float) -> Field:
    """Distance-like raster of a stroke: 1 along the path, 0 at `width` from it, negative beyond."""
    line = np.full(shape, 255, np.uint8)
    cv2.polylines(line, [np.rint(path[:, ::-1]).astype(np.int32)], False, 0, 1)
    return 1.0 - distance_to_zero(line) / np.float32(width)


def _folds(rng: np.random.Generator, layout: Layout) -> Field:
    """Creases where the section lies double."""
    shape = layout.grid.shape
    fold = np.zeros(shape, np.float32)
    rows, columns = np.nonzero(layout.edge_um > 30.0)
    if not len(rows):
        return fold
    for _ in range(int(rng.integers(1, 4))):
        pick = int(rng.integers(len(rows)))
        path = _path(rng, (rows[pick], columns[pick]), rng.uniform(0.1, 0.3) * min(shape), 0.12)
        width = rng.uniform(12.0, 40.0) / SPACING_UM
        ridge = _stroke(shape, path, width) + 0.25 * smooth_field(rng, shape, 60.0 / SPACING_UM)
        fold = np.maximum(fold, np.clip(3.0 * ridge, 0.0, 1.0) * np.float32(rng.uniform(0.5, 1.0)))
    return blur(fold, 0.8)


def _pen(rng: np.random.Generator, layout: Layout) -> Field:
    """Strokes of a felt pen, beside the tissue or along its edge."""
    shape = layout.grid.shape
    ink = np.zeros(shape, np.float32)
    rows, columns = np.nonzero(layout.edge_um < -20.0)
    if not len(rows):
        return ink
    for _ in range(int(rng.integers(1, 4))):
        pick = int(rng.integers(len(rows)))
        path = _path(rng, (rows[pick], columns[pick]), rng.uniform(0.08, 0.35) * min(shape), 0.10)
        width = rng.uniform(30.0, 75.0) / SPACING_UM
        stroke = np.clip(_stroke(shape, path, width) + 0.05 * fractal_field(rng, shape, 12.0, 3), -4.0, 4.0)
        streaks = 0.8 + 0.14 * fractal_field(rng, shape, 20.0, 4, 0.8)
        rim = 0.25 * np.exp(-(((stroke - 0.12) / 0.08) ** 2))
        ink = np.maximum(ink, np.clip(8.0 * stroke, 0.0, 1.0) * np.clip(streaks + rim, 0.2, 1.1))
    return blur(ink.astype(np.float32), 0.9)


def _defocus(rng: np.random.Generator, layout: Layout) -> Field:
    """One or two areas out of focus."""
    shape = layout.grid.shape
    field = smooth_field(rng, shape, 0.35 * min(shape))
    limit = np.quantile(field, 1.0 - rng.uniform(0.03, 0.12))
    depth = np.clip((field - limit) / 0.5, 0.0, 1.0)
    blurred: Field = (depth * rng.uniform(0.8, 2.2)).astype(np.float32)
    return blurred


def defocus(rgb: RGB, amount: Field, mpp: float) -> None:
    """Blur a slide, in place, where it is out of focus.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8, level 0.
    amount : ndarray
        `Confounders.defocus_um`.
    mpp : float
        Micrometres per pixel of `rgb`.
    """
    if not amount.any():
        return
    scale = SPACING_UM / mpp
    count, _, boxes, _ = cv2.connectedComponentsWithStats((amount > 0).astype(np.uint8))
    for left, top, width, height, _ in boxes[1:count]:
        y0, x0 = int(top * scale), int(left * scale)
        y1 = min(int(np.ceil((top + height) * scale)), rgb.shape[0])
        x1 = min(int(np.ceil((left + width) * scale)), rgb.shape[1])
        if y0 >= y1 or x0 >= x1:
            continue
        patch = rgb[y0:y1, x0:x1]
        local = cv2.resize(amount[top : top + height, left : left + width], (x1 - x0, y1 - y0))
        strongest = float(amount.max())
        sharp = patch.astype(np.float32)
        # Two widths of blur, mixed by the local amount, stand in for a blur that varies continuously.
        half = blur(sharp, 0.5 * strongest / mpp)
        full = blur(half, 0.87 * strongest / mpp)
        t = (2.0 * local / strongest)[..., None]
        near = sharp + np.clip(t, 0.0, 1.0) * (half - sharp)
        patch[:] = np.clip(near + np.clip(t - 1.0, 0.0, 1.0) * (full - near) + 0.5, 0, 255).astype(np.uint8)
