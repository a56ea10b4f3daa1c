"""General captions: what anybody would say of a tile, without a word of the disease.

The base model learns these with the tiles that they speak of. Of the words of the disease it learns how they are put
together, on other tiles than those that they speak of: it has the words, but not what they mean. That is stage A's.
"""

from __future__ import annotations

import numpy as np

from napari_mmlnb.training.small_vlm.tiles import RGB, TileSet

GENERAL_PROMPT = "Describe this image."

_COVER = ((0.95, "Tissue fills the field."), (0.75, "Tissue covers most of the field."), (0.0, "Tissue is patchy."))
_CELLS = (
    (60, "There are many small dark cells."),
    (20, "There are some small dark cells."),
    (0, "There are hardly any small dark cells."),
)
_TONE = ((1.12, "The colour is pink."), (0.98, "The colour is purple."), (0.0, "The colour is blue."))


def general_captions(tiles: TileSet) -> list[str]:
    """One a tile."""
    tissue = tiles.squares[..., 0].mean(axis=(1, 2))
    cells = tiles.squares[..., 7].sum(axis=(1, 2))
    return [
        f"{_word(_COVER, tissue[i])} {_word(_CELLS, cells[i])} {_word(_TONE, _redness(tiles.pixels[i]))}"
        for i in range(len(tiles))
    ]


def _redness(rgb: RGB) -> float:
    """Red over blue, of the darker half of the pixels."""
    flat = rgb[::4, ::4].reshape(-1, 3).astype(np.float32)
    dark = flat[flat.sum(axis=1) <= np.median(flat.sum(axis=1))]
    return float(dark[:, 0].mean() / max(dark[:, 2].mean(), 1.0))


def _word(steps: tuple[tuple[float, str], ...], value: float) -> str:
    return next(word for least, word in steps if value >= least)
