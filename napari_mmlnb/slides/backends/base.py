"""The seam between a file format and everything above it.

A reader speaks level pixels and RGB bytes; micrometres begin one floor up, in `napari_mmlnb.slides.slide`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

RGB = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class LevelShape:
    """Pixels of one resolution level, and the size of its pixels in level-0 pixels.

    Parameters
    ----------
    height, width : int
        Pixels.
    downsample_y, downsample_x : float
        Level-0 pixels to one of this level, from the real sizes, never rounded.
    """

    height: int
    width: int
    downsample_y: float
    downsample_x: float


@dataclass(frozen=True)
class SlideMetadata:
    """What a file says of itself.

    Parameters
    ----------
    levels : tuple of LevelShape
        Highest resolution first. Where the format knows bounds, level 0 is the whole canvas, and `bounds_px` says
        where the scan lies in it.
    mpp : tuple of float or None
        Micrometres per level-0 pixel, (x, y); None where the file does not say.
    mpp_source : str
        The tag that it came from, for example "aperio.MPP"; empty where unknown.
    codec : str
        How tiles are compressed, for example "JPEG".
    tile_px : tuple of int
        Height and width of the file's own tiles on level 0; (0, 0) where it has none.
    vendor : str
        As the backend names it.
    bounds_px : tuple of int or None
        (y, x, height, width) of the non-empty part in level-0 pixels.
    icc_bytes : int
        Size of the embedded colour profile, 0 for none.
    associated : tuple of str
        Names of the associated images (label, macro, thumbnail).
    properties : mapping
        What else the file says; may hold patient data, so it is never logged.
    """

    levels: tuple[LevelShape, ...]
    mpp: tuple[float, float] | None
    mpp_source: str
    codec: str
    tile_px: tuple[int, int]
    vendor: str = ""
    bounds_px: tuple[int, int, int, int] | None = None
    icc_bytes: int = 0
    associated: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)


class SlideReader(Protocol):
    """An open slide. Safe to call from several threads at once."""

    @property
    def metadata(self) -> SlideMetadata:
        """What the file says of itself."""
        ...

    def read(self, level: int, y: int, x: int, height: int, width: int) -> RGB:
        """Pixels of one level, (height, width, 3) uint8, in that level's own pixel coordinates.

        What lies outside the level is white (255): the one documented way of the edge.

        Raises
        ------
        TileReadError
            If any part inside the level cannot be decoded. Never silent white or black.
        """
        ...

    def associated_image(self, name: str) -> RGB:
        """An associated image by name."""
        ...

    def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        ...


class Backend(Protocol):
    """A way to open slides, with what a person or an error message needs to know of it."""

    name: str
    opens: str
    licence: str

    def accepts(self, path: Path) -> bool:
        """Whether this looks like something it can open; cheap, and never raises."""
        ...

    def open(self, path: Path) -> SlideReader:
        """Open it.

        Raises
        ------
        SlideReadError
            If the file is damaged or not what `accepts` took it for.
        """
        ...
