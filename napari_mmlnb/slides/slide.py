"""An open whole slide: pixels by level, by micrometre, as a thumbnail and as a pyramid."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from napari_mmlnb.errors import ColourProfileError, SlideReadError
from napari_mmlnb.geometry import Mpp, PixelGrid, Region, scanned_grid
from napari_mmlnb.slides.backends.base import RGB, SlideMetadata, SlideReader
from napari_mmlnb.slides.backends.file_state import WatchedFiles
from napari_mmlnb.slides.backends.registry import open_reader
from napari_mmlnb.slides.damage import DamageLog
from napari_mmlnb.slides.decode_pool import DecodePool
from napari_mmlnb.slides.decoded_tiles import DecodedTiles
from napari_mmlnb.slides.findings import Findings
from napari_mmlnb.slides.fingerprint import fingerprint
from napari_mmlnb.slides.icc import ColourProfile, Colours, SrgbTransform
from napari_mmlnb.slides.location import Location, RemoteUrl, locate
from napari_mmlnb.slides.overview import read_overview
from napari_mmlnb.slides.resample import best_level, resample
from napari_mmlnb.slides.scale import resolve_mpp
from napari_mmlnb.slides.tile_cache import DEFAULT_BYTES, TileCache

if TYPE_CHECKING:
    import zarr

    from napari_mmlnb.slides.pyramid import Pyramid


def open_slide(
    path: Path | str | RemoteUrl, *, mpp: float | tuple[float, float] | Mpp | None = None, backend: str | None = None
) -> Slide:
    """Open a whole slide.

    Parameters
    ----------
    path : path-like or str
        A slide file, a folder (DICOM instances, OME-Zarr), or a URL (``https://``, ``s3://``, ``gs://``).
    mpp : float, (x, y) or Mpp, optional
        Micrometres per level-0 pixel; overrides what the file says.
    backend : str, optional
        Use this backend ("openslide", "tiff", ...) and no other.

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
    path = locate(path)
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
    path : Path or RemoteUrl
        The file, folder or URL.
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
    findings : Findings
        What runs and viewers found out about it and will want again.
    damage : DamageLog
        Which stored tiles could not be decoded so far.
    grids : tuple of PixelGrid
        One a level of the file, highest resolution first, origin (0, 0).
    """

    def __init__(
        self,
        path: Location,
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
        self.findings = Findings()
        self._reader = reader
        self._watched = WatchedFiles(path, [path] if isinstance(path, Path) else [])
        self._lock = threading.Lock()
        self._pyramids: dict[Colours, Pyramid] = {}

    def __enter__(self) -> Slide:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the content; see `napari_mmlnb.slides.fingerprint`. Read from the file on first use.

        Raises
        ------
        SlideReadError
            If it cannot be read, or is not the file any more that was opened.
        """
        digest = fingerprint(self.path, self.backend)
        self._watched.check()
        return digest

    @property
    def pyramid(self) -> tuple[zarr.Array[Any], ...]:
        """Lazy, read-only zarr arrays, (h, w, 3) uint8, highest resolution first; `pyramid_grids` says where they lie.

        After the file's levels come computed ones, each half as fine, until the coarsest is below 2000 pixels.
        """
        return self._made_pyramid().arrays

    def pyramid_as(self, colours: Colours) -> tuple[zarr.Array[Any], ...]:
        """`pyramid` in the colours wanted: "raw" as stored, "srgb" by the slide's colour profile, for the eye only.

        Raises
        ------
        ColourProfileError
            If sRGB is asked for and the slide has no colour profile, or a damaged one (see `colour_profile`).
        """
        return self._made_pyramid(colours).arrays

    def levels_as(self, colours: Colours = "raw") -> Pyramid:
        """What `pyramid_as` stands on, for a viewer that reads rectangles of it without zarr. It raises the same."""
        return self._made_pyramid(colours)

    @property
    def pyramid_grids(self) -> tuple[PixelGrid, ...]:
        """Where each array of `pyramid` lies, whatever its colours."""
        return self._made_pyramid().grids

    @cached_property
    def colour_profile(self) -> ColourProfile | None:
        """What the slide's colour profile says, and why it cannot be used where it cannot; None where there is none."""
        try:
            profile = self._reader.icc_profile()
        except SlideReadError as error:
            return ColourProfile(self.metadata.icc_bytes, problem=error.problem)
        return None if profile is None else ColourProfile.of(profile)

    @property
    def scanned_grid(self) -> PixelGrid:
        """Level 0 without what was never scanned: the pixels as QuPath counts them."""
        return scanned_grid(self.grids[0].shape, self.mpp, self.metadata.bounds_px)

    @property
    def bounds(self) -> Region | None:
        """The part of the canvas that was scanned, micrometres from its origin; None where that is all of it."""
        return None if self.metadata.bounds_px is None else self.scanned_grid.region

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

    def stored_tile_um(self, um_per_px: float) -> tuple[float, float]:
        """Size of a stored tile, (y, x), micrometres, of the level that is read for a scale."""
        level = best_level(self.grids, (um_per_px, um_per_px))
        shape, (y, x) = self.metadata.levels[level], self.grids[level].spacing_um
        return shape.tile_height * y, shape.tile_width * x

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
            self.findings.clear()
            pyramids, self._pyramids = self._pyramids, {}
        for pyramid in pyramids.values():
            pyramid.close()
        self.pool.close()
        self._reader.close()
        self.cache.clear()

    def _made_pyramid(self, colours: Colours = "raw") -> Pyramid:
        from napari_mmlnb.slides.pyramid import Pyramid  # noqa: PLC0415 (only viewers need it)

        transform = self._srgb() if colours == "srgb" else None
        with self._lock:
            if colours not in self._pyramids:
                self._pyramids[colours] = Pyramid(self.tiles, self.grids, self.pool, self.damage, transform)
            return self._pyramids[colours]

    def _srgb(self) -> SrgbTransform:
        facts = self.colour_profile
        problem = "The slide has no colour profile." if facts is None else facts.problem
        profile = None if problem else self._reader.icc_profile()
        if profile is None:
            raise ColourProfileError(problem, "Its colours are shown as they are stored.")
        return SrgbTransform(profile)
