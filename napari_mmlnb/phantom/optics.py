"""Beer-Lambert optics: from concentrations of stain to the colours that a scanner records.

Light that crosses a section loses ``10 ** -OD`` of its strength, and the optical density OD is the sum over the
stains of concentration times spectrum (Ruifrok and Johnston 2001). What differs between laboratories and scanners is
a parameter of `Optics`, drawn by `draw_optics`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.phantom.noise import Field

RGB = npt.NDArray[np.uint8]

HAEMATOXYLIN, EOSIN, BLOOD, CALCIUM = range(4)
"""Planes of a concentration canvas."""

# Direction of absorption in (red, green, blue). Eosin holds more blue than the textbook vector, as scanners see it.
_SPECTRA = np.array(
    [(0.645, 0.690, 0.330), (0.120, 0.860, 0.450), (0.130, 0.740, 0.660), (0.560, 0.740, 0.300)], dtype=np.float64
)
_INKS = np.array([(1.6, 0.9, 0.25), (1.5, 0.5, 1.3), (1.5, 1.5, 1.45), (0.25, 1.3, 1.2)], dtype=np.float64)
_LN10 = float(np.log(10.0))


@dataclass(frozen=True)
class Optics:
    """Stain, lamp and sensor of one slide.

    Parameters
    ----------
    spectra : ndarray
        (4, 3), optical density of concentration 1 of haematoxylin, eosin, blood and calcium, in (red, green, blue).
    ink : ndarray
        (3,), optical density of a full stroke of the pen.
    lamp : ndarray
        (3,), what empty glass gives, 0 to 1.
    gamma : float
        Exponent of the scanner's tone curve; 1 is linear.
    noise : float
        Standard deviation of the sensor's noise, grey levels.
    blur_um : float
        Standard deviation of the point spread, micrometres.
    jpeg_quality : int
        As for `writer.write_pyramid`.
    """

    spectra: npt.NDArray[np.float64]
    ink: npt.NDArray[np.float64]
    lamp: npt.NDArray[np.float64]
    gamma: float
    noise: float
    blur_um: float
    jpeg_quality: int


def draw_optics(rng: np.random.Generator, shift: float = 0.0) -> Optics:
    """Draw stain and scanner of a slide.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the variation.
    shift : float
        0 is the range on which models are trained; 1 lies well outside it in colour, strength and scanner.

    Returns
    -------
    Optics
    """
    side = rng.choice((-1.0, 1.0), 4)
    spectra = _SPECTRA * np.exp(rng.normal(0.0, 0.075, _SPECTRA.shape))
    tilt = np.array([(0.16, -0.06, 0.32), (0.55, -0.05, -0.32), (0.2, 0.0, -0.2), (0.2, 0.0, 0.3)])
    spectra *= np.exp(shift * side[:, None] * tilt)
    spectra /= np.linalg.norm(spectra, axis=1, keepdims=True)
    strength = np.exp(rng.normal(0.0, (0.17, 0.22, 0.15, 0.15)) + shift * side[::-1] * (0.35, 0.42, 0.2, 0.2))
    lamp = rng.uniform(0.925, 0.975) * (1.0 + rng.normal(0.0, 0.008 + 0.008 * shift, 3))
    return Optics(
        spectra=spectra * strength[:, None],
        ink=_INKS[rng.integers(len(_INKS))] * rng.uniform(0.6, 1.1),
        lamp=np.clip(lamp, 0.80, 0.99),
        gamma=float(np.exp(rng.normal(0.0, 0.06) + 0.2 * shift * side[0])),
        noise=float(rng.uniform(0.8, 2.2) + 2.5 * shift),
        blur_um=float(rng.uniform(0.12, 0.3) + 0.25 * shift),
        jpeg_quality=int(rng.integers(80, 93) - 20 * shift),
    )


def transmit(canvas: Field, optics: Optics, ink: Field | None = None) -> RGB:
    """What the scanner records of a canvas of concentrations, but for blur and noise.

    Parameters
    ----------
    canvas : ndarray
        (4, h, w) float32 concentrations: haematoxylin, eosin, blood, calcium; not negative.
    optics : Optics
        Stain and scanner.
    ink : ndarray, optional
        (h, w) coverage by the pen, 0 to 1.

    Returns
    -------
    ndarray
        (h, w, 3) uint8.
    """
    # The tone curve is a power, so it folds into the exponent.
    weights = (-_LN10 * optics.gamma * optics.spectra).astype(np.float32)
    ink_weights = (-_LN10 * optics.gamma * optics.ink).astype(np.float32)
    brightest = (255.0 * optics.lamp**optics.gamma).astype(np.float32)
    stained = [plane for plane in range(len(canvas)) if canvas[plane].any()]
    rgb = np.empty((*canvas.shape[1:], 3), np.uint8)
    for channel in range(3):
        light = np.zeros(canvas.shape[1:], np.float32)
        for plane in stained:
            light += weights[plane, channel] * canvas[plane]
        if ink is not None:
            light += ink_weights[channel] * ink
        np.exp(light, out=light)
        light *= brightest[channel]
        light += np.float32(0.5)
        # Never above the lamp, so the cast cannot overflow.
        rgb[..., channel] = light
    return rgb


def point_spread(rgb: RGB, optics: Optics, mpp: float) -> RGB:
    """Blur a picture as the scanner's lens does; `mpp` is its scale in micrometres per pixel."""
    sigma = optics.blur_um / mpp
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma), np.uint8) if sigma > 0.2 else rgb
