from __future__ import annotations

import pytest

from napari_mmlnb.training.config import CurriculumConfig
from napari_mmlnb.training.curriculum import epochs, phase_at

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
