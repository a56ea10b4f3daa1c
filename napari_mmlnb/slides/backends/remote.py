"""Slides at a URL: tiffslide for what the file says of itself, our own decode path for its tiles.

Only TIFF of the kinds that our own path reads (tiled TIFF, OME-TIFF, Aperio SVS) is opened. Other vendors' formats
would have to go through a reader that was never checked on a real file of theirs: they are refused with that reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_mmlnb.errors import SlideFormatError, SlideReadError
from napari_mmlnb.slides.backends.base import Suits
from napari_mmlnb.slides.backends.tiff import TIFF_MAGIC, TiffReader
from napari_mmlnb.slides.backends.tiff_structure import damaged, read_structure
from napari_mmlnb.slides.location import RemoteUrl

if TYPE_CHECKING:
    import tifffile

    from napari_mmlnb.slides.backends.remote_bytes import RemoteBytes

_OTHER_PATHS = {"ndpi": "Hamamatsu NDPI", "scn": "Leica SCN", "bif": "Ventana BIF", "philips": "Philips TIFF"}
"""Vendors' TIFF that our own path was never checked on; locally, OpenSlide reads them."""


class RemoteBackend:
    """Opens tiled TIFF, OME-TIFF and Aperio SVS over http, https and object stores, a range at a time."""

    name = "remote"
    opens = "tiled RGB TIFF, OME-TIFF and Aperio SVS at https://, http://, s3:// and gs:// URLs"
    licence = "BSD-3-Clause (tiffslide, fsspec)"
    where = (RemoteUrl,)

    def suits(self, url: RemoteUrl) -> Suits:  # noqa: ARG002 (the protocol's)
        """It is tried for every URL; nothing is sent to find out."""
        return Suits.FALLBACK

    def open(self, url: RemoteUrl) -> TiffReader:
        """Open it, within `RemoteLimits.open_s`.

        Raises
        ------
        SlideNotFoundError
            If there is nothing at the URL.
        SlideFormatError
            If it is no TIFF.
        SlideReadError
            If the server does not answer, refuses, or cannot send parts of a file; if the file is damaged, or holds
            something else than a tiled RGB picture (it says what).
        MissingExtraError
            If the client of its object store is not installed.
        """
        # fsspec, aiohttp and tiffslide: half a second that slides on this machine should not cost.
        from napari_mmlnb.slides.backends.remote_bytes import RemoteBytes  # noqa: PLC0415

        source = RemoteBytes(url)
        try:
            with source.opening():
                return self._opened(url, source)
        except BaseException:
            source.close()
            raise

    def _opened(self, url: RemoteUrl, source: RemoteBytes) -> TiffReader:
        if source.size < 8 or source.read(0, 4) not in TIFF_MAGIC:
            raise SlideFormatError(url, self.opens)

        @contextmanager
        def opened() -> Iterator[tifffile.TiffFile]:
            with _tiffslide(url, source) as slide:
                yield slide.ts_tifffile

        with _tiffslide(url, source) as slide:
            tif = slide.ts_tifffile
            vendor = next((name for kind, name in _OTHER_PATHS.items() if getattr(tif, f"is_{kind}")), None)
            if vendor is not None:
                what = f"{url} is a {vendor} slide, which is not read over the network."
                raise SlideReadError(url, what, "Download it and open the copy.")
            structure = read_structure(url, tif, lambda: _properties(slide))
            return TiffReader(url, structure, source, opened)


def _tiffslide(url: RemoteUrl, source: RemoteBytes) -> Any:
    import tiffslide  # noqa: PLC0415

    from napari_mmlnb.slides.backends.remote_bytes import RemoteStream  # noqa: PLC0415

    try:
        # One file and no other: an OME header may name more, on whatever server.
        return tiffslide.TiffSlide(RemoteStream(source), tifffile_options={"name": url.name, "_multifile": False})
    except SlideReadError:
        raise
    except Exception as error:  # whatever a damaged directory trips in tifffile
        raise damaged(url, error) from error


def _properties(slide: Any) -> dict[str, str]:
    """What tiffslide makes of the file; nothing where its parsers stumble over it, for no pixel depends on them."""
    try:
        properties = slide.properties
    except SlideReadError:
        raise
    except Exception:  # as many kinds as there are ways to write a description
        return {}
    return {key: str(value) for key, value in properties.items() if value is not None}
