"""What a describing model has said, kept on the disk: a cohort's tiles take hours, and a stopped training goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from napari_mmlnb.describe.base import Describer, EvidenceTile, TileDescription
from napari_mmlnb.result import Description


class KeptWords:
    """A describer that is asked about each picture once.

    Parameters
    ----------
    describer : Describer
        Who is asked.
    path : Path
        One line of JSON a tile. Only one who says the same of the same tiles may share it.
    """

    def __init__(self, describer: Describer, path: Path) -> None:
        self.facts = describer.facts
        self._describer = describer
        self._path = path
        self._kept = _read(path)

    def describe(self, tiles: Sequence[EvidenceTile]) -> Iterator[TileDescription]:
        """Complete descriptions, in the tiles' order."""
        keys = {tile.rank: _key(tile) for tile in tiles}
        self._ask([tile for tile in tiles if keys[tile.rank] not in self._kept], keys)
        for tile in tiles:
            sentences, faults = self._kept[keys[tile.rank]]
            yield TileDescription(tile.rank, sentences, (), faults)

    def summarise(self, descriptions: Sequence[TileDescription]) -> Description:
        """As the describer does it."""
        return self._describer.summarise(descriptions)

    def close(self) -> None:
        """Free what the describer holds."""
        self._describer.close()

    def _ask(self, tiles: Sequence[EvidenceTile], keys: dict[int, str]) -> None:
        if not tiles:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        torn = self._path.is_file() and not self._path.read_bytes().endswith(b"\n")
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" if torn else "")
            for said in self._describer.describe(tiles):
                if said.complete:
                    key = keys[said.rank]
                    self._kept[key] = (said.sentences, said.faults)
                    file.write(json.dumps({"tile": key, "sentences": said.sentences, "faults": said.faults}) + "\n")
                    file.flush()


def _key(tile: EvidenceTile) -> str:
    digest = hashlib.sha256(repr((tile.rgb.shape, tile.um_per_px)).encode())
    digest.update(tile.rgb.tobytes())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """What is there; a last line that was cut off by a kill is left out."""
    kept = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            kept[row["tile"]] = (tuple(row["sentences"]), tuple(row["faults"]))
    return kept
