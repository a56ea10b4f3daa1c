"""Which backend opens which slide.

The rule, in order: a backend that was asked for by name is the only one tried; otherwise those that say that they suit
the file well, then those that could open it too, in the order of `backends()`; the first that can open it has it.

OpenSlide takes every vendor format and DICOM, but for what our own TIFF path reads as well and was checked on real files:
tiled TIFF, OME-TIFF and Aperio SVS with JPEG, pixel for pixel the same, several times faster.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from napari_mmlnb.errors import SlideError, SlideFormatError, SlideNotFoundError
from napari_mmlnb.registry import Registry
from napari_mmlnb.slides.backends.base import Backend, SlideReader, Suits


@cache
def backends() -> Registry[Backend]:
    """All backends in the order in which they are asked. Their libraries are imported on the first call."""
    from napari_mmlnb.slides.backends.openslide import OpenSlideBackend  # noqa: PLC0415
    from napari_mmlnb.slides.backends.tiff import TiffBackend  # noqa: PLC0415

    return Registry("backend", (OpenSlideBackend(), TiffBackend()))


def open_reader(path: Path, backend: str | None = None) -> tuple[SlideReader, str]:
    """Open a slide file or folder with the backend that suits it.

    Parameters
    ----------
    path : Path
        A file, or a folder of DICOM instances.
    backend : str, optional
        Use this backend and no other.

    Returns
    -------
    reader : SlideReader
        The open slide.
    name : str
        The backend that opened it.

    Raises
    ------
    SlideNotFoundError, SlideFormatError, SlideReadError, UnknownNameError
        Nothing there; nothing known; known but damaged; no such backend.
    """
    forced = backends().get(backend) if backend is not None else None
    if not path.exists():
        raise SlideNotFoundError(path)
    if forced is not None:
        return forced.open(path), forced.name
    failure: SlideError | None = None
    for candidate in _by_suitability(path):
        try:
            return candidate.open(path), candidate.name
        except SlideError as error:
            failure = failure or error
    raise failure or SlideFormatError(path, "; ".join(candidate.opens for candidate in backends()))


def _by_suitability(path: Path) -> list[Backend]:
    suited = [(candidate.suits(path), candidate) for candidate in backends()]
    ranked = sorted(suited, key=lambda pair: -pair[0])
    return [candidate for suits, candidate in ranked if suits is not Suits.NOT]
