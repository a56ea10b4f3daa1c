"""Whether our own decode path gives OpenSlide's pixels for the very file at hand.

For what was never tested on a real file: three tiles of each level (the first, the middle one, the last that lies
inside) must come out exactly as OpenSlide decodes them, or the slide is left to OpenSlide.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_mmlnb.errors import SlideError
from napari_mmlnb.slides.backends.base import SlideReader
from napari_mmlnb.slides.backends.openslide import OpenSlideReader


def agrees_with_openslide(path: Path, reader: SlideReader) -> bool:
    """Whether the levels are the same, and so are the pixels of some tiles of each; false where OpenSlide fails."""
    try:
        peer = OpenSlideReader(path, path)
    except SlideError:
        return False
    try:
        return peer.metadata.levels == reader.metadata.levels and all(
            _same_tiles(reader, peer, level) for level in range(len(peer.metadata.levels))
        )
    except SlideError:
        return False
    finally:
        peer.close()


def _same_tiles(reader: SlideReader, peer: OpenSlideReader, level: int) -> bool:
    shape = peer.metadata.levels[level]
    rows, columns = shape.tiles
    for row, column in {(0, 0), (rows // 2, columns // 2), (max(rows - 2, 0), max(columns - 2, 0))}:
        inside = (
            slice(0, min(shape.tile_height, shape.height - row * shape.tile_height)),
            slice(0, min(shape.tile_width, shape.width - column * shape.tile_width)),
        )
        ours, theirs = (each.read_tile(level, row, column)[inside] for each in (reader, peer))
        if not np.array_equal(ours, theirs):
            return False
    return True
