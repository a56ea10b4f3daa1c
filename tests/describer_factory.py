"""A describing model made up for tests: says what it is told to, as a real one does, and fails as real ones do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from napari_mmlnb.describe.base import DescriberFacts, EvidenceTile, TileDescription
from napari_mmlnb.describe.request import DescriberRequest
from napari_mmlnb.result import Description, Sentence

FACTS = DescriberFacts("made-up", "Says what it was told to.", "MIT", generates=True)
SAID = ("Sheets of cells without neuropil.", "There is extensive haemorrhage.", "Rosettes are present.")


@dataclass
class MadeUpDescriber:
    """Describes each tile by the same sentences, growing one by one.

    Parameters
    ----------
    sentences : tuple of str
        Of each tile.
    faults : tuple of str
        Of each tile.
    fails_at, hangs_at : int
        Rank of the tile before which it raises, or waits until it is let go; 0 for never.
    error : Exception
        What it raises.
    more : tuple of Sentence
        What its summary says beside the sentences that all tiles share.
    """

    sentences: tuple[str, ...] = SAID
    faults: tuple[str, ...] = ()
    fails_at: int = 0
    hangs_at: int = 0
    error: Exception = field(default_factory=lambda: RuntimeError("the model broke\nin two"))
    more: tuple[Sentence, ...] = ()
    facts: DescriberFacts = FACTS
    request: DescriberRequest = DescriberRequest()  # noqa: RUF009 - frozen
    let_go: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)
    freed: threading.Event = field(default_factory=threading.Event)

    def describe(self, tiles: Sequence[EvidenceTile]) -> Iterator[TileDescription]:
        """Sentence by sentence."""
        try:
            for tile in tiles:
                if tile.rank == self.fails_at:
                    raise self.error
                if tile.rank == self.hangs_at:
                    self.let_go.wait(20)
                for count in range(1, len(self.sentences) + 1):
                    yield TileDescription(tile.rank, self.sentences[:count], (), complete=False)
                yield TileDescription(tile.rank, self.sentences, (), self.faults)
        finally:
            self.closed.set()

    def close(self) -> None:
        """Free what is held."""
        self.freed.set()

    def summarise(self, descriptions: Sequence[TileDescription]) -> Description:
        """Each sentence once, with the tiles of which it was said."""
        ranks: dict[str, list[int]] = {}
        for tile in descriptions:
            for text in tile.sentences:
                ranks.setdefault(text, []).append(tile.rank)
        said = tuple(Sentence(text=text, evidence=tuple(where)) for text, where in ranks.items()) + self.more
        return Description(text=" ".join(s.text for s in said), describer=self.facts.name, sentences=said)


def register(monkeypatch: pytest.MonkeyPatch, describer: MadeUpDescriber) -> Callable[[], DescriberRequest]:
    """Let runs find the made-up describer, whatever they ask for; gives what it was last made for."""
    seen: list[DescriberRequest] = []

    def create(_name: str, request: DescriberRequest) -> MadeUpDescriber:
        seen.append(request)
        return describer

    monkeypatch.setattr("napari_mmlnb.inference.generated.create_describer", create)
    return lambda: seen[-1]
