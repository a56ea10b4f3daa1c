"""What a model has said of a tile is not asked for again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from napari_mmlnb.describe.base import DescriberFacts, EvidenceTile, TileDescription
from napari_mmlnb.describe.spoken import summarise_spoken
from napari_mmlnb.geometry import Region
from napari_mmlnb.result import Description
from napari_mmlnb.training.slide_level.kept_words import KeptWords


class _Speaker:
    facts = DescriberFacts("speaker", "", "none", generates=True)

    def __init__(self) -> None:
        self.asked = 0

    def describe(self, tiles: Sequence[EvidenceTile]) -> Iterator[TileDescription]:
        for tile in tiles:
            self.asked += 1
            yield TileDescription(tile.rank, (), (), complete=False)
            yield TileDescription(tile.rank, (f"Grey {int(tile.rgb.mean())}.",), (), faults=("cut off",))

    def summarise(self, descriptions: Sequence[TileDescription]) -> Description:
        return summarise_spoken("speaker", descriptions)

    def close(self) -> None:
        pass


def _tile(rank: int, grey: int, um_per_px: float = 0.5) -> EvidenceTile:
    return EvidenceTile(rank, np.full((4, 4, 3), grey, np.uint8), um_per_px, Region(0, 0, 2, 2))


def test_a_tile_is_described_once_whatever_its_rank_and_scale_counts(tmp_path: Path) -> None:
    speaker = _Speaker()
    words = KeptWords(speaker, tmp_path / "words.jsonl")
    first = list(words.describe([_tile(1, 10), _tile(2, 20)]))
    assert [one.sentences for one in first] == [("Grey 10.",), ("Grey 20.",)]
    assert speaker.asked == 2
    other = _Speaker()
    again = KeptWords(other, tmp_path / "words.jsonl")
    said = list(again.describe([_tile(1, 20), _tile(2, 30), _tile(3, 10)]))
    assert [(one.rank, one.sentences) for one in said] == [(1, ("Grey 20.",)), (2, ("Grey 30.",)), (3, ("Grey 10.",))]
    assert said[0].faults == ("cut off",)
    assert other.asked == 1
    list(again.describe([_tile(1, 10, um_per_px=1.0)]))
    assert other.asked == 2
    assert again.summarise(said).text == "Grey 20. Grey 30. Grey 10."


def test_a_line_cut_off_by_a_kill_is_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "words.jsonl"
    list(KeptWords(_Speaker(), path).describe([_tile(1, 10), _tile(2, 20)]))
    path.write_text(path.read_text()[:-20])
    speaker = _Speaker()
    assert [one.sentences for one in KeptWords(speaker, path).describe([_tile(1, 10), _tile(2, 20)])] == [
        ("Grey 10.",),
        ("Grey 20.",),
    ]
    assert speaker.asked == 1
    after = _Speaker()
    list(KeptWords(after, path).describe([_tile(1, 10), _tile(2, 20)]))
    assert after.asked == 0, "what was asked again stands on a line of its own"
