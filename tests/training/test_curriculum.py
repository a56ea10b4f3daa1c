from __future__ import annotations

from dataclasses import replace

import pytest

from napari_mmlnb.training.config import CurriculumConfig
from napari_mmlnb.training.curriculum import epochs, gate_last, phase_at

PUBLISHED = CurriculumConfig()


@pytest.mark.parametrize(
    ("epoch", "alpha", "text", "image"),
    [
        (0, 0.30, False, True),
        (49, 0.30, False, True),
        (50, 0.30, True, True),
        (60, 0.44, True, True),
        (70, 0.58, True, True),
        (89, 0.72, True, True),
        (99, 0.86, True, True),
        (100, 1.00, False, False),
        (149, 1.00, False, False),
    ],
)
def test_the_published_table(epoch: int, alpha: float, *, text: bool, image: bool) -> None:
    phase = phase_at(epoch, PUBLISHED)
    assert phase.alpha == pytest.approx(alpha)
    assert (phase.text_learns, phase.image_learns) == (text, image)


def test_150_epochs() -> None:
    assert len(list(epochs(PUBLISHED))) == 150
    with pytest.raises(ValueError, match="150"):
        phase_at(150, PUBLISHED)


def test_the_gate_learns_all_the_time_as_published_and_in_the_last_phase_only_where_it_is_held() -> None:
    rules = [phase for _, phase in epochs(CurriculumConfig())]
    assert all(phase.gate_learns for phase in rules)
    held = [gate_last(phase) for phase in rules]
    assert [phase.gate_learns for phase in held] == [False] * 100 + [True] * 50
    assert [replace(phase, gate_learns=True) for phase in held] == rules, "nothing else is changed"
