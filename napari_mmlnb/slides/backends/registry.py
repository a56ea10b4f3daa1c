"""Which backend opens which slide.

The rule, in order: a backend that was asked for by name is the only one tried; otherwise, of those that open what lies
there (on this machine, at a URL), those that say that they suit the slide well, then those that could open it too, in
the order of `backends()`; the first that can open it has it. Where one that suits it well finds it damaged, or any
finds it in order but no RGB slide (fluorescence, a stack), no other is asked: it would show what it can make of the
file, a part of it or at another place, as if it were the slide.

DICOM has a backend of its own, which checks the series and stands on OpenSlide's reading. OpenSlide takes every vendor
format, but for what our own TIFF path reads as well and was checked on real files: tiled TIFF, OME-TIFF and Aperio SVS
with JPEG, pixel for pixel the same, several times faster. Aperio's JPEG 2000, of which no real file was at hand, takes
our own path only where tiles of the very file come out as OpenSlide decodes them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from napari_mmlnb.errors import (
    RequestError,
    SlideError,
    SlideFormatError,
    SlideKindError,
    SlideNotFoundError,
    SlideReadError,
)
from napari_mmlnb.registry import Registry
from napari_mmlnb.slides.backends.base import Backend, SlideReader, Suits
from napari_mmlnb.slides.backends.level_sanity import check_levels
from napari_mmlnb.slides.location import Location


@cache
def backends() -> Registry[Backend]:
    """All backends in the order in which they are asked. Their libraries are imported on the first call."""
    from napari_mmlnb.slides.backends.dicom import DicomBackend  # noqa: PLC0415
    from napari_mmlnb.slides.backends.ome_zarr import OmeZarrBackend  # noqa: PLC0415
    from napari_mmlnb.slides.backends.openslide import OpenSlideBackend  # noqa: PLC0415
    from napari_mmlnb.slides.backends.plain import PlainBackend  # noqa: PLC0415
    from napari_mmlnb.slides.backends.remote import RemoteBackend  # noqa: PLC0415
    from napari_mmlnb.slides.backends.tiff import TiffBackend  # noqa: PLC0415

    order: tuple[Backend, ...] = (
        DicomBackend(),
        OpenSlideBackend(),
        TiffBackend(),
        OmeZarrBackend(),
        PlainBackend(),
        RemoteBackend(),
    )
    return Registry("backend", order)


def open_reader(location: Location, backend: str | None = None) -> tuple[SlideReader, str]:
    """Open a slide file, folder or URL with the backend that suits it.

    Parameters
    ----------
    location : Path or RemoteUrl
        A file, a folder (DICOM instances, OME-Zarr), or a URL.
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
    RequestError
        If the backend asked for does not open URLs, or nothing else.
    """
    forced = backends().get(backend) if backend is not None else None
    if isinstance(location, Path):
        _check_there(location)
    if forced is not None:
        if not isinstance(location, forced.where):
            raise RequestError(f"The backend {forced.name!r} does not open {location}.", f"It opens {forced.opens}.")
        return _opened(forced, location), forced.name
    failure: SlideError | None = None
    for candidate, suits in _by_suitability(location):
        try:
            return _opened(candidate, location), candidate.name
        except SlideFormatError as error:
            failure = failure or error
        except SlideError as error:
            if suits is Suits.WELL or isinstance(error, SlideKindError):
                raise
            failure = failure or error
    raise failure or SlideFormatError(location, "; ".join(candidate.opens for candidate in backends()))


def suits_any(location: Location) -> bool:
    """Whether any backend takes this for a slide, by a look at its beginning, or at a URL's scheme alone."""
    return bool(_by_suitability(location))


def _check_there(path: Path) -> None:
    """Refuse what is not there, may not be read, or would be waited for (a pipe, a device)."""
    try:
        if path.is_dir():
            next(path.iterdir(), None)
        elif path.is_file():
            path.open("rb").close()
        elif path.exists():
            raise SlideFormatError(path, "slide files and folders, no pipes or devices")
        else:
            raise SlideNotFoundError(path)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise SlideReadError(path, f"{path} cannot be opened: {why}.", "Check the path and its permissions.") from error


def _opened(backend: Backend, location: Location) -> SlideReader:
    reader = backend.open(location)
    try:
        check_levels(location, reader.metadata.levels)
    except SlideError:
        reader.close()
        raise
    return reader


def _by_suitability(location: Location) -> list[tuple[Backend, Suits]]:
    able = [candidate for candidate in backends() if isinstance(location, candidate.where)]
    suited = [(candidate.suits(location), candidate) for candidate in able]
    ranked = sorted(suited, key=lambda pair: -pair[0])
    return [(candidate, suits) for suits, candidate in ranked if suits is not Suits.NOT]
