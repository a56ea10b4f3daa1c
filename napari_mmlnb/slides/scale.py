"""Which scale a slide has: the file's, or the one that a person gives; never a guess."""

from __future__ import annotations

import math

from napari_mmlnb.errors import ImplausibleMppError, MppMissingError
from napari_mmlnb.geometry import Mpp
from napari_mmlnb.slides.backends.base import SlideMetadata
from napari_mmlnb.slides.location import Location

PLAUSIBLE_UM = (0.05, 20.0)
"""Micrometres per pixel that a slide scanner or a microscope camera can make. Screen resolutions (72, 96, 300 dpi: 353,
265, 85 um) lie outside."""

GIVEN = "given by the user"


def resolve_mpp(
    path: Location, metadata: SlideMetadata, given: float | tuple[float, float] | Mpp | None = None
) -> tuple[Mpp, str]:
    """The scale to use, and where it comes from.

    Parameters
    ----------
    path : Path or RemoteUrl
        The slide, for error messages.
    metadata : SlideMetadata
        What the file says.
    given : float, (x, y) or Mpp, optional
        Micrometres per pixel that a person gives; it overrides the file's.

    Returns
    -------
    mpp : Mpp
    source : str
        The tag in the file, or "given by the user".

    Raises
    ------
    ImplausibleMppError
        If the given scale lies outside 0.05 to 20 um per pixel.
    MppMissingError
        If none is given and the file's is missing or implausible.
    """
    if given is not None:
        x, y = given.xy if isinstance(given, Mpp) else given if isinstance(given, tuple) else (given, given)
        if not plausible((x, y)):
            raise ImplausibleMppError(path, (x, y))
        return Mpp(float(x), float(y)), GIVEN
    if metadata.mpp is None:
        raise MppMissingError(path)
    if not plausible(metadata.mpp):
        x, y = metadata.mpp
        raise MppMissingError(path, f"the file's {metadata.mpp_source} says {x:g} x {y:g} um, which no scanner makes")
    return Mpp(*metadata.mpp), metadata.mpp_source


def plausible(mpp: tuple[float, float]) -> bool:
    """Whether a scanner could have made pixels of this size."""
    return all(math.isfinite(v) and PLAUSIBLE_UM[0] <= v <= PLAUSIBLE_UM[1] for v in mpp)
