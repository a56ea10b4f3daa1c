"""An open whole slide: pixels by level, by micrometre, as a thumbnail and as a pyramid."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from napari_mmlnb.geometry import Mpp, PixelGrid, Region
from napari_mmlnb.slides.backends.base import RGB, SlideMetadata, SlideReader
from napari_mmlnb.slides.backends.registry import open_reader
from napari_mmlnb.slides.damage import DamageLog
from napari_mmlnb.slides.decode_pool import DecodePool
from napari_mmlnb.slides.decoded_tiles import DecodedTiles
from napari_mmlnb.slides.fingerprint import fingerprint
from napari_mmlnb.slides.overview import read_overview
from napari_mmlnb.slides.resample import resample
from napari_mmlnb.slides.scale import resolve_mpp
from napari_mmlnb.slides.tile_cache import DEFAULT_BYTES, TileCache

if TYPE_CHECKING:
    import zarr

    from napari_mmlnb.slides.pyramid import Pyramid


def open_slide(
    path: Path | str, *, mpp: float | tuple[float, float] | Mpp | None = None, backend: str | None = None
) -> Slide:
    """Open a whole slide.

    Parameters
    ----------
    path : path-like
        A slide file, or a folder of DICOM instances.
    mpp : float, (x, y) or Mpp, optional
        Micrometres per level-0 pixel; overrides what the file says.
    backend : str, optional
        Use this backend ("openslide", "tiff") and no other.

    Returns
    -------
    Slide
        A context manager; close it when done.

    Raises
    ------
    SlideNotFoundError, SlideFormatError, SlideReadError
        No such file; no known format; damaged.
    MppMissingError, ImplausibleMppError
        The scale is unknown, or the given one is out of range.
    UnknownNameError
        There is no such backend.
    """
    path = Path(path)
    reader, name = open_reader(path, backend)
    try:
        scale, source = resolve_mpp(path, reader.metadata, mpp)
    except Exception:
        reader.close()
        raise
    return Slide(path, reader, name, scale, source)


class Slide:
    """An open slide. Reads are safe from several threads.

    Parameters
    ----------
    path : Path
        The file or folder.
    reader : SlideReader
        The backend's open slide.
    backend : str
        Its name.
    mpp : Mpp
        Size of a level-0 pixel.
    mpp_source : str
        The tag it came from, or "given by the user".
    cache_bytes : int
        Limit of all decoded pixels kept for this slide, the viewer's and those of readers of tiles together.

    Attributes
    ----------
    cache : TileCache
        Of decoded tiles.
    tiles : DecodedTiles
        The stored tiles, decoded through the cache.
    pool : DecodePool
        The threads that decode for the viewer and for readers of tiles.
    damage : DamageLog
        Which stored tiles could not be decoded so far.
    grids : tuple of PixelGrid
        One a level of the file, highest resolution first, origin (0, 0).
    """

    def __init__(
        self,
        path: Path,
        reader: SlideReader,
        backend: str,
        mpp: Mpp,
        mpp_source: str,
        cache_bytes: int = DEFAULT_BYTES,
    ) -> None:
        self.path = path
        self.backend = backend
        self.mpp = mpp
        self.mpp_source = mpp_source
        self.metadata: SlideMetadata = reader.metadata
        self.grids: tuple[PixelGrid, ...] = tuple(
            PixelGrid((level.height, level.width), (mpp.y * level.downsample_y, mpp.x * level.downsample_x))
            for level in self.metadata.levels
        )
        self.cache = TileCache(cache_bytes)
        self.tiles = DecodedTiles(reader, self.cache)
        self.pool = DecodePool()
        self.damage = DamageLog()
        self._reader = reader
        self._lock = threading.Lock()
        self._pyramid: Pyramid | None = None

    def __enter__(self) -> Slide:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the content; see `napari_mmlnb.slides.fingerprint`. Read from the file on first use."""
        return fingerprint(self.path)

    @property
    def pyramid(self) -> tuple[zarr.Array[Any], ...]:
        """Lazy, read-only zarr arrays, (h, w, 3) uint8, highest resolution first; `pyramid_grids` says where they lie.

        After the file's levels come computed ones, each half as fine, until the coarsest is below 2000 pixels.
        """
        return self._made_pyramid().arrays

    @property
    def pyramid_grids(self) -> tuple[PixelGrid, ...]:
        """Where each array of `pyramid` lies."""
        return self._made_pyramid().grids

    @property
    def properties(self) -> Mapping[str, str]:
        """What else the file says; may hold patient data."""
        return self.metadata.properties

    def read(self, level: int, y: int, x: int, height: int, width: int) -> RGB:
        """Pixels of one level in its own pixel coordinates, (height, width, 3) uint8; white outside the level.

        Raises
        ------
        TileReadError
            If any part cannot be decoded.
        """
        return self.tiles.window(level, y, x, height, width)

    def read_grid(self, target: PixelGrid) -> RGB:
        """What a grid covers, in that grid's pixels, from the best level at least as fine.

        Raises
        ------
        TileReadError
            If any part cannot be decoded.
        """
        return resample(self.read, self.grids, target)

    def read_region(self, region: Region, um_per_px: float) -> RGB:
        """A region at a scale, from the best level at least as fine; pixel (0, 0) begins at the region's corner.

        Parameters
        ----------
        region : Region
            What to read; may reach over the edge, which is white.
        um_per_px : float
            Of the result, both axes.

        Returns
        -------
        ndarray
            (h, w, 3) uint8; h and w are the region's extent over `um_per_px`, to the nearest pixel, at least 1.

        Raises
        ------
        TileReadError
            If any part cannot be decoded.
        """
        shape = (max(1, round(region.height / um_per_px)), max(1, round(region.width / um_per_px)))
        return self.read_grid(PixelGrid(shape, (um_per_px, um_per_px), (region.y, region.x)))

    def thumbnail(self, max_px: int = 1024) -> tuple[RGB, PixelGrid]:
        """The whole slide in at most `max_px` square pixels a side, never finer than the slide itself.

        What cannot be decoded is drawn as a grey chequer.

        Raises
        ------
        SlideReadError
            If nothing of the slide can be decoded.
        """
        extent = self.grids[0].region
        spacing = max(extent.height / max_px, extent.width / max_px, *self.grids[0].spacing_um)
        overview = read_overview(self, spacing)
        return overview.rgb, overview.grid

    def associated_image(self, name: str) -> RGB:
        """The label, macro or thumbnail that the file holds; a label may show the patient's name.

        Raises
        ------
        SlideReadError
            If there is none of that name, or it cannot be decoded.
        """
        return self._reader.associated_image(name)

    def close(self) -> None:
        """Let go of the file and of the pyramid's cache. Safe to call twice."""
        with self._lock:
            pyramid, self._pyramid = self._pyramid, None
        if pyramid is not None:
            pyramid.close()
        self.pool.close()
        self._reader.close()
        self.cache.clear()

    def _made_pyramid(self) -> Pyramid:
        from napari_mmlnb.slides.pyramid import Pyramid  # noqa: PLC0415 (zarr costs a second; only viewers need it)

        with self._lock:
            if self._pyramid is None:
                self._pyramid = Pyramid(self.tiles, self.grids, self.pool, self.damage)
            return self._pyramid
