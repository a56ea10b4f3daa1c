"""The seam between a file format and everything above it.

A reader speaks stored tiles of a level and RGB bytes. What is kept of them, and how they are put together, is
`napari_mmlnb.slides.decoded_tiles`; micrometres begin in `napari_mmlnb.slides.slide`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_mmlnb.slides.location import RemoteUrl

RGB = npt.NDArray[np.uint8]

USUAL_TILE_PX = 512
"""Side of a tile where the file has none of its own."""

LARGEST_TILE_PX = 2**26
"""Pixels of the largest tile that is decoded: 201 MB of RGB. Scanners write tiles a hundred times smaller."""

LONGEST_SIDE_PX = 4096
"""A side of a tile that is longer than this, and than twice its level, is a lie."""


@dataclass(frozen=True)
class LevelShape:
    """Pixels of one resolution level, the size of its pixels in level-0 pixels, and the tiles it is read in.

    Parameters
    ----------
    height, width : int
        Pixels.
    downsample_y, downsample_x : float
        Level-0 pixels to one of this level, from the real sizes, never rounded.
    tile_height, tile_width : int
        Pixels of a tile: the file's own where it has tiles of a useful size, else what suits its reader.
    """

    height: int
    width: int
    downsample_y: float
    downsample_x: float
    tile_height: int = USUAL_TILE_PX
    tile_width: int = USUAL_TILE_PX

    @property
    def possible(self) -> bool:
        """Whether its tiles can be: not of no size, of more than any memory, or far larger than the level itself."""
        sides = ((self.height, self.tile_height), (self.width, self.tile_width))
        sane = all(level >= 1 and 1 <= tile <= max(2 * level, LONGEST_SIDE_PX) for level, tile in sides)
        return sane and self.tile_height * self.tile_width <= LARGEST_TILE_PX

    @property
    def tiles(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        return -(-self.height // self.tile_height), -(-self.width // self.tile_width)


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
    notes : tuple of str
        What a person should know of the file's state, a sentence each: tiles that are missing, levels left out.
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
    notes: tuple[str, ...] = ()


class SlideReader(Protocol):
    """An open slide. Safe to call from several threads at once."""

    @property
    def metadata(self) -> SlideMetadata:
        """What the file says of itself."""
        ...

    def reductions(self, level: int) -> tuple[int, ...]:
        """By which factors `read_tile` can reduce a tile of this level while decoding; always holds 1."""
        ...

    def read_tile(self, level: int, row: int, column: int, reduce: int = 1, out: RGB | None = None) -> RGB:
        """One tile, (tile height // reduce, tile width // reduce, 3) uint8.

        What lies beyond the level's edge may hold anything; whoever asks makes it white. Where the scanner stored
        nothing the tile is white.

        Parameters
        ----------
        level, row, column : int
            Which tile; inside the level.
        reduce : int
            One of `reductions(level)`.
        out : ndarray, optional
            An array of that shape in which a reader may put the tile, instead of making one.

        Raises
        ------
        TileReadError
            If it cannot be decoded. Never silent white or black.
        """
        ...

    def icc_profile(self) -> bytes | None:
        """The embedded colour profile, or None."""
        ...

    def associated_image(self, name: str) -> RGB:
        """An associated image by name."""
        ...

    def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        ...


class Suits(IntEnum):
    """How well a backend suits a slide."""

    NOT = 0
    FALLBACK = 1
    """It can probably open it; another one would do it better."""
    WELL = 2


class Backend(Protocol):
    """A way to open slides, with what a person or an error message needs to know of it."""

    name: str
    opens: str
    licence: str

    @property
    def where(self) -> tuple[type[Path] | type[RemoteUrl], ...]:
        """Where slides may lie that it opens: on this machine, at a URL."""
        ...

    def suits(self, path: Any) -> Suits:
        """How well it suits this file or folder, by a look at its beginning; cheap, and never raises."""
        ...

    def open(self, path: Any) -> SlideReader:
        """Open it.

        Raises
        ------
        SlideReadError
            If the file is damaged or not what `suits` took it for.
        """
        ...
