"""Whether the levels that a file states can be those of one slide."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from napari_mmlnb.errors import SlideReadError
from napari_mmlnb.slides.backends.base import LevelShape
from napari_mmlnb.slides.location import Location

# Sizes are rounded, and some writers fill the last tile of each level up: that is no other picture yet.
_MAX_STRETCH = 0.1
_ROUNDING_PX = 2.0


def check_levels(location: Location, levels: Sequence[LevelShape]) -> None:
    """Refuse what would be drawn at a wrong place or scale, or would take all memory.

    Each level must be smaller than the one before, along both axes by about the same factor, in tiles that can be
    decoded.

    Raises
    ------
    SlideReadError
        If they are not.
    """
    problem = _problem(levels)
    if problem:
        raise SlideReadError(location, f"{location} {problem}.", "The file is damaged or incomplete: copy it again.")


def _problem(levels: Sequence[LevelShape]) -> str:
    if not levels:
        return "holds no level"
    for level in levels:
        if not level.possible:
            return f"states tiles of {level.tile_width} x {level.tile_height} px in a level of {_size(level)}"
    for finer, coarser in pairwise(levels):
        larger = coarser.height > finer.height or coarser.width > finer.width
        if larger or (coarser.height, coarser.width) == (finer.height, finer.width):
            return f"states levels that are not ever smaller: {_size(finer)}, then {_size(coarser)}"
    stretched = next((level for level in levels if _stretch(levels[0], level) > _MAX_STRETCH), None)
    return f"states levels of other shapes: {_size(levels[0])} and {_size(stretched)}" if stretched else ""


def _stretch(first: LevelShape, level: LevelShape) -> float:
    """How far a level's two factors are apart, as a share, beyond what the rounding of its size explains."""
    y, x = first.height / level.height, first.width / level.width
    rounding = _ROUNDING_PX / min(level.height, level.width)
    return max(y, x) / min(y, x) - 1 - rounding


def _size(level: LevelShape) -> str:
    return f"{level.width} x {level.height} px"
