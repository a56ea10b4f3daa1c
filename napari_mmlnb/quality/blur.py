r"""Sharpness of a tile, measured against the structure of its own stain.

The picture is split into octaves, differences of Gaussians 0.5, 1, 2 and 4 um wide. Defocus takes away the more of an
octave the finer it is, whereas pale or strong stain scales all alike: so the ratio of the energies of neighbouring
octaves tells defocus, and the amount of stain or structure does not enter:

.. math::

    s = \min\Big(\frac{1}{l_1} \frac{E_{0.5-1}}{E_{1-2}},\; \frac{1}{l_2} \frac{E_{1-2}}{E_{2-4}}\Big)

The first ratio sees slight defocus; the second one sees strong defocus where the finest octave holds noise alone. The
limits l make 1 the border of what is called blurred.

Source: our design, after Geusebroek et al. (Robust autofocusing in microscopy, Cytometry 39 (2000) 1-9), who measure
focus by the energy of Gaussian derivatives at one scale; the ratio of two scales is what makes it independent of stain.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.slides.backends.base import RGB

COARSEST_UM_PER_PX = 0.6
"""Above this scale the finest octave lies between the pixels, and nothing can be said of sharpness."""

# Chosen with benchmarks/quality.py, between sharp tiles and those blurred by a Gaussian of 1.25 um and more.
_FINE_LIMIT, _COARSE_LIMIT = 0.22, 0.42

# Energy of the octave from 2 to 4 um, square grey levels, below which there is no structure to judge by: a sensor's
# noise of two grey levels leaves a twentieth of that in it.
_LEAST_STRUCTURE = 0.5

_WIDTHS_UM = (0.5, 1.0, 2.0, 4.0)


def sharpness(rgb: RGB, um_per_px: float) -> float:
    """How sharp a tile is.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8.
    um_per_px : float
        Its scale, at most `COARSEST_UM_PER_PX`.

    Returns
    -------
    float
        Below 1 where blurred, in multiples of the limit; NaN where there is too little structure to judge by.

    Raises
    ------
    ValueError
        If the scale is too coarse, or not above zero.
    """
    if not 0 < um_per_px <= COARSEST_UM_PER_PX:
        raise ValueError(f"sharpness needs a scale of at most {COARSEST_UM_PER_PX} um per pixel, not {um_per_px}")
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    finest = _blurred(grey, _WIDTHS_UM[0] / um_per_px)
    fine = _blurred(finest, _further(0, um_per_px))
    # A picture blurred by 1 um and more loses nothing that is looked at by leaving out every other pixel.
    half = np.ascontiguousarray(fine[::2, ::2])
    middle = _blurred(half, _further(1, 2 * um_per_px))
    coarse = _blurred(middle, _further(2, 2 * um_per_px))
    structure = _energy(middle, coarse)
    if structure < _LEAST_STRUCTURE:
        return math.nan
    middling = _energy(half, middle)
    return min(_energy(finest, fine) / max(middling, 1e-6) / _FINE_LIMIT, middling / structure / _COARSE_LIMIT)


def _blurred(picture: npt.NDArray[np.float32], sigma_px: float) -> npt.NDArray[np.float32]:
    # Three standard deviations on either side: what lies beyond is below a hundredth of the kernel.
    side = 2 * math.ceil(3 * sigma_px) + 1
    return np.asarray(
        cv2.GaussianBlur(picture, (side, side), sigma_px, borderType=cv2.BORDER_REFLECT_101), dtype=np.float32
    )


def _further(octave: int, um_per_px: float) -> float:
    """Pixels of blur that lead from one width to the next."""
    return math.sqrt(_WIDTHS_UM[octave + 1] ** 2 - _WIDTHS_UM[octave] ** 2) / um_per_px


def _energy(fine: npt.NDArray[np.float32], coarse: npt.NDArray[np.float32]) -> float:
    """Mean square of the difference."""
    return float(cv2.norm(fine, coarse, cv2.NORM_L2SQR)) / fine.size
