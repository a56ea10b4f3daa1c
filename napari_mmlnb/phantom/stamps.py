"""Stamps: pictures of concentration that are set down on a canvas, and how they are set down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_mmlnb.phantom.noise import Field


@dataclass(frozen=True)
class Stamp:
    """A small picture of concentrations.

    Parameters
    ----------
    keep : ndarray
        (1, n, n) float32: how much of what lies under it shows through.
    add : ndarray
        (planes, n, n) float32: what it lays over that.
    planes : slice
        The planes of the canvas that it touches.
    """

    keep: Field
    add: Field
    planes: slice

    @classmethod
    def of(cls, cover: Field, planes: dict[int, Field], span: slice = slice(0, 2)) -> Stamp:
        """Put a stamp together from its opacity and its planes."""
        add = np.zeros((span.stop - span.start, *cover.shape), np.float32)
        for plane, values in planes.items():
            add[plane - span.start] = values
        return cls((1.0 - cover)[None].astype(np.float32), add, span)

    @property
    def half(self) -> int:
        """Pixels from the middle to the edge."""
        return int(self.keep.shape[1]) // 2

    def turned(self, code: int) -> Stamp:
        """One of the eight mirror images and quarter turns, `code` 0 to 7; a view."""

        def turn(planes: Field) -> Field:
            if code & 1:
                planes = planes[:, ::-1]
            if code & 2:
                planes = planes[:, :, ::-1]
            if code & 4:
                planes = planes.transpose(0, 2, 1)
            return planes

        return Stamp(turn(self.keep), turn(self.add), self.planes)

    def set_down(self, canvas: Field, y: int, x: int, strength: float = 1.0) -> None:
        """Lay it on a canvas with its middle at pixel (y, x); what reaches over the canvas is cut off."""
        half = self.half
        top, left = y - half, x - half
        bottom, right = y + half + 1, x + half + 1
        height, width = canvas.shape[1:]
        y0, x0, y1, x1 = max(top, 0), max(left, 0), min(bottom, height), min(right, width)
        if y0 >= y1 or x0 >= x1:
            return
        window = canvas[self.planes, y0:y1, x0:x1]
        cut = (slice(None), slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        window *= self.keep[cut]
        window += self.add[cut] if strength == 1.0 else self.add[cut] * np.float32(strength)


Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class StampSet:
    """Variants of one kind of object.

    Parameters
    ----------
    stamps : tuple of Stamp
        All of them.
    directions : int
        0 if any mirror image will do; else the stamps are `directions` equal groups by angle over pi.
    sizes : tuple of float
        If not empty, the radius that each stamp was drawn for, micrometres, ascending; the nearest is taken.
    """

    stamps: tuple[Stamp, ...]
    directions: int = 0
    sizes: tuple[float, ...] = ()

    def choose(
        self, rng: np.random.Generator, angle: npt.NDArray[np.float64], radius: npt.NDArray[np.float64]
    ) -> tuple[Indices, Indices]:
        """Which stamp and which turn for each of n objects; (n,) each."""
        n = len(angle)
        if self.sizes:
            limits = np.asarray(self.sizes)
            nearest = np.abs(radius[:, None] - limits[None, :]).argmin(axis=1)
            return nearest.astype(np.intp), rng.integers(8, size=n)
        if self.directions:
            group = np.rint(angle / (np.pi / self.directions)).astype(np.intp) % self.directions
            each = len(self.stamps) // self.directions
            return group * each + rng.integers(each, size=n), 3 * rng.integers(2, size=n)
        return rng.integers(len(self.stamps), size=n), rng.integers(8, size=n)
