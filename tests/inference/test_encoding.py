from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_mmlnb.inference.encoding import encode_tiles, page_locked
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.slides.tile_reader import TileBatch


class Mean(PatchEncoder):
    """An encoder whose feature is a tile's mean grey level; notes how large its batches were."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.dimension = 1
        self.batches: list[int] = []

    def forward(self, pixels):
        self.batches.append(len(pixels))
        return pixels.float().mean(dim=(1, 2, 3))[:, None]


def batch(levels: list[int], readable: list[bool]) -> TileBatch:
    pixels = np.stack([np.full((4, 4, 3), level, np.uint8) for level in levels])
    return TileBatch(np.arange(len(levels)), pixels, np.array(readable))


def test_unreadable_tiles_never_reach_the_encoder():
    encoder = Mean()
    read = [batch([5, 9], [True, True]), batch([7, 0, 3], [True, False, True]), batch([0], [False])]
    encoded = list(encode_tiles(read, encoder, torch.device("cpu")))
    assert [part.features[:, 0].tolist() for part in encoded] == [[5, 9], [7, 3], []]
    assert [part.unreadable.tolist() for part in encoded] == [[], [1], [0]]
    assert encoder.batches == [2, 2]


def test_a_graphics_card_gets_page_locked_memory(monkeypatch):
    asked = {}

    def empty(shape, **options):
        asked.update(options, shape=shape)
        return torch.zeros(shape, dtype=options["dtype"])

    monkeypatch.setattr(torch, "empty", empty)
    allocate = page_locked(torch.device("cuda"))
    assert allocate is not None
    assert allocate((2, 3)).shape == (2, 3)
    assert asked == {"dtype": torch.uint8, "pin_memory": True, "shape": (2, 3)}
    assert page_locked(torch.device("cpu")) is None


def test_a_value_that_is_not_finite_stops_the_run():
    class Broken(Mean):
        def forward(self, pixels):
            return torch.full((len(pixels), 1), float("nan"))

        @property
        def facts(self):
            return type("Facts", (), {"name": "broken"})

    encoder = Broken()
    with pytest.raises(FloatingPointError, match="broken"):
        list(encode_tiles([batch([1], [True])], encoder, torch.device("cpu")))
