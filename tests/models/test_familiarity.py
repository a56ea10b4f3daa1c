from __future__ import annotations

import torch

from napari_mmlnb.models.familiarity import Familiarity


def _tiles(n: int, seed: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    mixing = torch.randn(6, 40, generator=torch.Generator().manual_seed(1))
    return torch.randn(n, 6, generator=g) @ mixing + 0.1 * torch.randn(n, 40, generator=g) + 5


def test_familiar_tiles_score_about_one_and_strange_ones_far_more() -> None:
    model = Familiarity(40, rank=6)
    model.fit(_tiles(2000, 0))
    familiar = model(_tiles(500, 2))
    off_the_plane = model(_tiles(500, 2) + torch.randn(500, 40, generator=torch.Generator().manual_seed(3)))
    far_along_the_plane = model(5 + 10 * (_tiles(500, 2) - 5))
    assert 0.8 < float(familiar.median()) < 1.2
    assert float(off_the_plane.median()) > 10
    assert float(far_along_the_plane.median()) > 10
