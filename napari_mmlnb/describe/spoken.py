"""How the sentences that a describing model said of tiles become those of a slide, however it was asked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from napari_mmlnb.describe.base import TileDescription
from napari_mmlnb.result import Description, Sentence

_WORD = re.compile(r"[\w%.,]*[\w%]")


def summarise_spoken(describer: str, descriptions: Sequence[TileDescription]) -> Description:
    """Put the tiles' sentences together: each word for word, once, with the ranks of the tiles that it was said of.

    Sentences that were said of more tiles come first, those of one tile in the tile's own order. Nothing is left out
    and nothing added, so the summary never says more than the tiles do, and a finding of a single tile is not lost.

    Parameters
    ----------
    describer : str
        Its name.
    descriptions : sequence of TileDescription
        Of a tile, the last one counts.
    """
    last = {description.rank: description for description in descriptions}
    said: dict[str, list[int]] = {}
    words: dict[str, str] = {}
    for rank in sorted(last):
        for sentence in last[rank].sentences:
            key = " ".join(_WORD.findall(sentence.casefold()))
            words.setdefault(key, sentence)
            said.setdefault(key, []).append(rank)
    order = sorted(said, key=lambda key: -len(set(said[key])))
    sentences = tuple(Sentence(text=words[key], evidence=tuple(dict.fromkeys(said[key]))) for key in order)
    return Description(text=" ".join(s.text for s in sentences), describer=describer, sentences=sentences)
