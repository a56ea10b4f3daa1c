"""Opening a slide with a person at hand: asks for a missing scale, until it is plausible or they cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_mmlnb.errors import ImplausibleMppError, MppMissingError
from napari_mmlnb.slides.location import Location
from napari_mmlnb.slides.slide import open_slide

if TYPE_CHECKING:
    from napari_mmlnb.slides.slide import Slide

AskMpp = Callable[[Location, str], "tuple[float, float] | None"]
Scale = tuple[float, float] | float | None


def open_asking(path: Location, ask: AskMpp, mpp: Scale = None) -> Slide | None:
    """Open a slide; where the scale is missing or implausible, ask.

    Parameters
    ----------
    path : Path or RemoteUrl
        File, folder or URL.
    ask : callable
        Called with the path and what is wrong; gives (x, y) in micrometres per pixel, or None to give up.
    mpp : float or tuple of float, optional
        The scale (x, y), where it is already given.

    Returns
    -------
    Slide or None
        None where the person gave up.

    Raises
    ------
    SlideError
        If the slide cannot be opened for another reason.
    """
    while True:
        try:
            return open_slide(path, mpp=mpp)
        except (MppMissingError, ImplausibleMppError) as error:
            mpp = ask(path, error.problem)
            if mpp is None:
                return None
