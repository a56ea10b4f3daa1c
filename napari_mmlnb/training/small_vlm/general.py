"""General captions: what anybody would say of a tile, without a word of the disease.

The base model learns these with the tiles that they speak of: it learns to look. Of the words of the disease it learns
how they are put together, on other tiles than those that they speak of: it has the words, but not what they mean. That
is stage A's.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from napari_mmlnb.phantom.attributes import ATTRIBUTES, checklist
from napari_mmlnb.training.small_vlm.tiles import RGB, TileSet

GENERAL_PROMPT = "Describe this image."

_TONE = ((1.12, "The colour is pink."), (0.98, "The colour is purple."), (0.0, "The colour is blue."))

_IN_PLAIN_WORDS = MappingProxyType(
    {
        ("neuropil", "absent"): "No pink threads lie between the cells.",
        ("neuropil", "some"): "Some pink threads lie between the cells.",
        ("neuropil", "abundant"): "Many pink threads lie between the cells.",
        ("differentiating", "absent"): "No cell is large and pale.",
        ("differentiating", "present"): "Some cells are large and pale.",
        ("mki", "low"): "Dark clumps are rare.",
        ("mki", "intermediate"): "There are a few dark clumps.",
        ("mki", "high"): "There are many dark clumps.",
        ("mki", "not countable"): "There are hardly any small round cells.",
        ("necrosis", "absent"): "Nothing has crumbled.",
        ("necrosis", "present"): "A part has crumbled.",
        ("rosettes", "absent"): "No cells stand in rings.",
        ("rosettes", "present"): "Some cells stand in rings.",
        ("calcification", "absent"): "There are no blue grains.",
        ("calcification", "present"): "There are blue grains.",
    }
)


def general_captions(tiles: TileSet) -> list[str]:
    """One a tile."""
    captions = []
    for pixels, content in zip(tiles.pixels, tiles.contents(), strict=True):
        answers = checklist(content)
        said = [_IN_PLAIN_WORDS[a.name, answers[a.name]] for a in ATTRIBUTES]
        captions.append(" ".join([_tone(pixels), *said]))
    return captions


def _tone(rgb: RGB) -> str:
    """By red over blue, of the darker half of the pixels."""
    flat = rgb[::4, ::4].reshape(-1, 3).astype(np.float32)
    dark = flat[flat.sum(axis=1) <= np.median(flat.sum(axis=1))]
    redness = float(dark[:, 0].mean() / max(dark[:, 2].mean(), 1.0))
    return next(word for least, word in _TONE if redness >= least)
