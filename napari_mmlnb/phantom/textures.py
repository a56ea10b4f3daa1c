"""Textures of the tissue between the nuclei, at the scale of the slide.

Each is made once a slide as a square that continues across its own edges and is then looked up at absolute pixel
positions, so that blocks drawn apart fit together. Layers of different periods and a fibre direction that changes from
place to place keep the period from showing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from napari_mmlnb.phantom.noise import Field, filtered, white_spectrum

BLOCK_PX = 512
"""Largest side of a block that can be looked up."""

ORIENTATIONS = 12


@dataclass(frozen=True)
class Texture:
    """A square of noise, padded so that any block of up to `BLOCK_PX` is one slice of it."""

    padded: Field
    period: int

    @classmethod
    def of(cls, square: Field) -> Texture:
        """Pad a square that continues across its own edges."""
        return cls(np.pad(square, ((0, BLOCK_PX), (0, BLOCK_PX)), mode="wrap"), square.shape[0])

    def at(self, y: int, x: int, height: int, width: int) -> Field:
        """The block whose first pixel is (y, x) of the slide; a view."""
        y, x = y % self.period, x % self.period
        return self.padded[y : y + height, x : x + width]


@dataclass(frozen=True)
class Textures:
    """All textures of a slide; standard deviation 1 unless said otherwise.

    Parameters
    ----------
    grain : Texture
        About 1 um.
    mottle : Texture
        About 4 um.
    clumps : Texture
        About 9 um.
    cloud : Texture
        About 25 um.
    tangle : tuple of Texture
        Fine fibrils in all directions; two layers of different periods.
    fibres : tuple of Texture
        Fine fibres, one texture a direction.
    bundles : tuple of Texture
        Coarse fibres, one texture a direction.
    sensor : Texture
        White noise of single pixels.
    """

    grain: Texture
    mottle: Texture
    clumps: Texture
    cloud: Texture
    tangle: tuple[Texture, Texture]
    fibres: tuple[Texture, ...]
    bundles: tuple[Texture, ...]
    sensor: Texture


def make_textures(rng: np.random.Generator, mpp: float) -> Textures:
    """Make the textures of a slide at `mpp` micrometres per pixel."""
    fine, coarse = white_spectrum(rng, 810), white_spectrum(rng, 630)
    angles = np.arange(ORIENTATIONS) * np.pi / ORIENTATIONS
    return Textures(
        grain=Texture.of(filtered(coarse, 0.45 / mpp, 0.45 / mpp)),
        mottle=Texture.of(filtered(fine, 1.6 / mpp, 1.6 / mpp)),
        clumps=Texture.of(filtered(white_spectrum(rng, 760), 3.5 / mpp, 3.5 / mpp)),
        cloud=Texture.of(filtered(white_spectrum(rng, 1040), 10.0 / mpp, 10.0 / mpp)),
        tangle=(_tangle(rng, 810, mpp), _tangle(rng, 700, mpp)),
        fibres=tuple(Texture.of(filtered(fine, 9.0 / mpp, 0.55 / mpp, a)) for a in angles),
        bundles=tuple(Texture.of(filtered(coarse, 26.0 / mpp, 2.3 / mpp, a)) for a in angles),
        sensor=Texture.of(rng.standard_normal((997, 997), dtype=np.float32)),
    )


def _tangle(rng: np.random.Generator, period: int, mpp: float) -> Texture:
    """Fibrils whose direction turns within a few micrometres: the felt of neurites."""
    spectrum = white_spectrum(rng, period)
    turning = white_spectrum(rng, period)
    direction = 1.8 * filtered(turning, 9.0 / mpp, 9.0 / mpp) + 0.5 * filtered(turning, 4.0 / mpp, 4.0 / mpp)
    total = np.zeros((period, period), np.float32)
    count = 9
    for index, weight in _weights(direction, count):
        total += weight * filtered(spectrum, 4.6 / mpp, 0.36 / mpp, index * np.pi / count)
    total /= total.std()
    return Texture.of(total)


def along(banks: tuple[tuple[Texture, ...], ...], angle: Field, y: int, x: int) -> list[Field]:
    """Fibres that follow a direction field.

    Parameters
    ----------
    banks : tuple of tuple of Texture
        Any number of banks; in each, one texture a direction, `ORIENTATIONS` of them, evenly spread over pi.
    angle : ndarray
        (h, w), radians.
    y, x : int
        Position of the block on the slide, pixels.

    Returns
    -------
    list of ndarray
        One (h, w) float32 a bank.
    """
    height, width = angle.shape
    totals = [np.zeros(angle.shape, np.float32) for _ in banks]
    for index, weight in _weights(angle, ORIENTATIONS):
        for number, bank in enumerate(banks):
            totals[number] += weight * bank[index].at(y, x, height, width)
    return totals


def _weights(angle: Field, number: int) -> Iterator[tuple[int, Field]]:
    """Weight of each direction of a bank: 1 where the angle is its own, 0 at its neighbours'; idle ones left out."""
    place = np.mod(angle * np.float32(number / np.pi), np.float32(number))
    for index in range(number):
        away = np.abs(place - np.float32(index))
        np.minimum(away, np.float32(number) - away, out=away)
        weight = np.maximum(np.float32(1.0) - away, np.float32(0.0))
        if weight.any():
            yield index, weight
