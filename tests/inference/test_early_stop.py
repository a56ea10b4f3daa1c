from __future__ import annotations

from itertools import pairwise

import pytest

from napari_mmlnb.errors import RequestError
from napari_mmlnb.inference.early_stop import LEAST_TILES, LOOKS, EarlyStop
from napari_mmlnb.inference.estimate import RunEstimate
from napari_mmlnb.inference.settings import RunSettings
from tests.bundle_factory import CLASSES


def _seen(leading: str, stability: float) -> RunEstimate:
    probabilities = {c.id: 0.8 if c.id == leading else 0.1 for c in CLASSES}
    return RunEstimate(CLASSES, probabilities, {c.id: (0.0, 1.0) for c in CLASSES}, 0.9, 100, 1000, stability)


SURE, UNSURE, OTHER = _seen("kind-1", 0.99), _seen("kind-1", 0.8), _seen("kind-2", 0.99)


@pytest.mark.parametrize(
    ("looks", "ends"),
    [
        ([SURE, SURE, SURE], True),
        ([SURE, SURE, UNSURE, SURE, SURE], False),
        ([SURE, SURE, None, SURE, SURE], False),
        ([SURE, SURE, OTHER, OTHER], False),
        ([SURE, SURE, OTHER, OTHER, OTHER], True),
    ],
)
def test_it_ends_after_looks_in_a_row_that_agree_and_are_sure(looks: list[RunEstimate | None], ends: bool) -> None:
    stop = EarlyStop(0.95, 1000)
    answers = [stop.look(look) for look in looks]
    assert answers == [False] * (len(looks) - 1) + [ends]
    assert LOOKS == 3


def test_looks_come_at_fixed_numbers_of_tiles_and_never_at_all_of_them() -> None:
    stop = EarlyStop(0.95, 1000)
    assert not stop.due(LEAST_TILES - 1)
    counts = []
    while stop.due(1000):
        counts.append(stop.next_look)
        stop.look(UNSURE)
    assert counts[0] >= LEAST_TILES
    assert counts[-1] < 1000
    assert len({b - a for a, b in pairwise(counts)}) == 1


def test_a_small_slide_is_read_whole() -> None:
    assert not EarlyStop(0.95, LEAST_TILES).due(LEAST_TILES)


@pytest.mark.parametrize("level", [0.0, 0.49, 1.0, 95.0])
def test_a_level_that_means_nothing_is_refused(level: float) -> None:
    with pytest.raises(RequestError, match="level"):
        RunSettings(stop_when_stable=level)
