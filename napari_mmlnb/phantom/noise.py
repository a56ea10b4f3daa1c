"""Smooth random fields without a period: the irregularity of everything that is drawn."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy import fft

Field = npt.NDArray[np.floating[Any]]
"""Real numbers on a raster; float32 wherever there are many."""


def blur(field: Field, sigma: float) -> Field:
    """Gaussian blur by `sigma` pixels, float32."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma), np.float32)


def distance_to_zero(mask: npt.NDArray[np.uint8]) -> Field:
    """Distance of every pixel to the nearest pixel that is 0, pixels, float32."""
    return np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 5), np.float32)


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Field:
    """Gaussian noise with one characteristic length.

    White noise is blurred on a coarse raster (so that the raster's axes leave no trace) and enlarged.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the noise; one draw a coarse pixel.
    shape : tuple of int
        Rows and columns.
    scale : float
        Typical size of a blob, pixels.

    Returns
    -------
    ndarray
        `shape`, float32, mean near 0, standard deviation near 1.
    """
    step = max(scale / 4.0, 1.0)
    coarse = tuple(int(np.ceil(n / step)) + 12 for n in shape)
    sigma = scale / (2.0 * step)
    noise = blur(rng.standard_normal(coarse, dtype=np.float32), max(sigma, 0.5))
    noise *= 2.0 * np.sqrt(np.pi) * max(sigma, 0.5)
    dy, dx = rng.uniform(3.0, 6.0, 2)
    matrix = np.array([[1.0 / step, 0.0, dx], [0.0, 1.0 / step, dy]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(noise, matrix, shape[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT), np.float32
    )


def fractal_field(
    rng: np.random.Generator, shape: tuple[int, int], scale: float, octaves: int = 3, gain: float = 0.5
) -> Field:
    """Sum of smooth fields, each half as large and `gain` times as strong as the one before.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the noise.
    shape : tuple of int
        Rows and columns.
    scale : float
        Typical size of the largest blobs, pixels.
    octaves : int
        Number of fields.
    gain : float
        Strength of a field relative to the one before.

    Returns
    -------
    ndarray
        `shape`, float32, standard deviation near 1.
    """
    total = np.zeros(shape, np.float32)
    power = 0.0
    for octave in range(octaves):
        total += np.float32(gain**octave) * smooth_field(rng, shape, max(scale / 2**octave, 1.0))
        power += gain ** (2 * octave)
    total /= np.float32(np.sqrt(power))
    return total


def white_spectrum(rng: np.random.Generator, period: int) -> npt.NDArray[np.complex64]:
    """Fourier transform of white noise on a square of `period` pixels, for `filtered`."""
    noise = rng.standard_normal((period, period), dtype=np.float32)
    spectrum: npt.NDArray[np.complex64] = fft.rfft2(noise)
    return spectrum


def filtered(spectrum: npt.NDArray[np.complex64], along: float, across: float, angle: float = 0.0) -> Field:
    """Noise drawn out into streaks; it continues across its own edges.

    Parameters
    ----------
    spectrum : ndarray
        From `white_spectrum`.
    along, across : float
        Standard deviations of the Gaussian blur in the direction of the streaks and across them, pixels.
    angle : float
        Direction of the streaks, radians from the x axis towards the y axis.

    Returns
    -------
    ndarray
        (period, period), float32, mean 0, standard deviation 1.
    """
    period = spectrum.shape[0]
    fy = np.fft.fftfreq(period).astype(np.float32)[:, None]
    fx = np.fft.rfftfreq(period).astype(np.float32)[None, :]
    u = fx * np.float32(np.cos(angle)) + fy * np.float32(np.sin(angle))
    v = fy * np.float32(np.cos(angle)) - fx * np.float32(np.sin(angle))
    transfer = np.exp(np.float32(-2.0 * np.pi**2) * (u * u * along**2 + v * v * across**2), dtype=np.float32)
    transfer[0, 0] = 0.0
    noise: Field = fft.irfft2(spectrum * transfer, s=(period, period))
    noise /= noise.std()
    return noise
