"""A describer at work in its thread: whoever waits gets away, and the next slide finds the memory free."""

from __future__ import annotations

import time

import numpy as np
import pytest

from napari_mmlnb.describe.base import DescriberFacts, EvidenceTile
from napari_mmlnb.geometry import Region
from napari_mmlnb.inference import describer_feed
from napari_mmlnb.inference.describer_feed import DescriberSilentError, follow_describer
from tests.describer_factory import FACTS, MadeUpDescriber


def _tiles(count: int) -> list[EvidenceTile]:
    picture = np.zeros((8, 8, 3), np.uint8)
    return [EvidenceTile(rank, picture, 0.5, Region(0, 0, 4, 4)) for rank in range(1, count + 1)]


def test_a_server_gets_no_time_to_load() -> None:
    facts = DescriberFacts("far", "", "", generates=True, sends_to="http://127.0.0.1:1/v1")
    hanging = MadeUpDescriber(hangs_at=1, facts=facts)
    begun = time.monotonic()
    with pytest.raises(DescriberSilentError):
        list(follow_describer(hanging, _tiles(2), 0.2, lambda: False))
    assert time.monotonic() - begun < 2
    hanging.let_go.set()


def test_whoever_stops_following_leaves_nobody_at_work() -> None:
    describer = MadeUpDescriber(facts=FACTS)
    feed = follow_describer(describer, _tiles(50), 5.0, lambda: False)
    next(feed)
    feed.close()
    assert describer.closed.wait(5)


def test_at_the_end_of_the_words_the_model_is_freed() -> None:
    describer = MadeUpDescriber()
    list(follow_describer(describer, _tiles(2), 5.0, lambda: False))
    assert describer.freed.is_set(), "before the run goes on"


def test_one_that_fails_is_freed_too() -> None:
    describer = MadeUpDescriber(fails_at=1)
    with pytest.raises(RuntimeError, match="the model broke"):
        list(follow_describer(describer, _tiles(2), 5.0, lambda: False))
    assert describer.freed.is_set()


def test_one_that_was_left_behind_is_freed_as_soon_as_it_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describer_feed, "LOADING_S", 0.0)
    hanging = MadeUpDescriber(hangs_at=2)
    with pytest.raises(DescriberSilentError):
        list(follow_describer(hanging, _tiles(2), 0.3, lambda: False))
    assert not hanging.freed.is_set()
    hanging.let_go.set()
    assert hanging.freed.wait(5)
