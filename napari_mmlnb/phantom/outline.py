"""Irregular closed outlines, drawn with smooth edges."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from napari_mmlnb.phantom.noise import Field


@dataclass(frozen=True)
class Plot:
    """The pixels of a stamp: distances from its centre.

    Parameters
    ----------
    y, x : ndarray
        (n, n) float32, micrometres from the centre.
    mpp : float
        Micrometres per pixel.
    """

    y: Field
    x: Field
    mpp: float

    @classmethod
    def of(cls, reach_um: float, mpp: float) -> Plot:
        """A square that reaches `reach_um` from its centre to each side."""
        half = int(np.ceil(reach_um / mpp))
        line = (np.arange(-half, half + 1) * mpp).astype(np.float32)
        y, x = np.meshgrid(line, line, indexing="ij")
        return cls(y, x, mpp)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.y.shape[0], self.y.shape[1]

    def depth(self, outline: Outline, y: float = 0.0, x: float = 0.0) -> Field:
        """How deep each pixel lies inside an outline centred on (y, x), micrometres; negative outside."""
        dy, dx = self.y - np.float32(y), self.x - np.float32(x)
        c, s = np.float32(np.cos(outline.angle)), np.float32(np.sin(outline.angle))
        u = (dx * c + dy * s) / np.float32(outline.stretch)
        v = (dy * c - dx * s) * np.float32(outline.stretch)
        theta = np.arctan2(v, u)
        radius = np.full(self.shape, outline.radius, np.float32)
        for order, (size, phase) in enumerate(outline.waves, start=2):
            radius += np.float32(outline.radius * size) * np.cos(order * theta + np.float32(phase))
        depth: Field = radius - np.hypot(u, v)
        return depth

    def fill(self, outline: Outline, y: float = 0.0, x: float = 0.0, soft_um: float = 0.0) -> Field:
        """Coverage by an outline, 0 to 1; its edge is one pixel wide, or `soft_um` if that is more."""
        return ramp(self.depth(outline, y, x), max(self.mpp, soft_um))

    def noise(self, rng: np.random.Generator, scale_um: float) -> Field:
        """Noise of a given grain, standard deviation 1."""
        white = rng.standard_normal(self.shape, dtype=np.float32)
        sigma = scale_um / 2.0 / self.mpp
        if sigma < 0.35:
            return white
        grain = np.asarray(cv2.GaussianBlur(white, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)
        return grain / max(float(grain.std()), 1e-3)


@dataclass(frozen=True)
class Outline:
    """A closed curve around a centre.

    Parameters
    ----------
    radius : float
        Mean radius, micrometres.
    stretch : float
        Half the axes' ratio, as a factor on the long and a divisor on the short axis.
    angle : float
        Direction of the long axis, radians.
    waves : tuple of (float, float)
        Relative size and phase of the second, third, ... harmonic.
    """

    radius: float
    stretch: float = 1.0
    angle: float = 0.0
    waves: tuple[tuple[float, float], ...] = ()

    @classmethod
    def random(
        cls, rng: np.random.Generator, radius: float, *, ragged: float = 0.05, stretch: float = 0.1, angle: float = -1.0
    ) -> Outline:
        """A curve of about that radius; `angle` below 0 leaves its direction to chance."""
        waves = tuple((float(rng.normal(0.0, ragged / (1 + 0.5 * k))), float(rng.uniform(0, 6.3))) for k in range(4))
        direction = float(rng.uniform(0.0, np.pi)) if angle < 0 else angle
        return cls(radius, float(np.exp(abs(rng.normal(0.0, stretch)))), direction, waves)


def ramp(depth: Field, width: float) -> Field:
    """0 outside to 1 inside across an edge of `width` micrometres."""
    coverage: Field = np.clip(depth / np.float32(width) + np.float32(0.5), 0.0, 1.0)
    return coverage
