"""One epoch, and what is learned from the training tiles before it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_mmlnb.models.mmlnb import Mmlnb
from napari_mmlnb.training.config import CurriculumConfig
from napari_mmlnb.training.curriculum import Phase, gate_last, phase_at
from napari_mmlnb.training.slide_level.config import OptimiserConfig
from napari_mmlnb.training.slide_level.loop import attention_of, set_feature_statistics, train_epoch
from tests.training.slide_level.told_slides import SHAPE, make_bags, told

PHASES = CurriculumConfig(image_first=1, joint=5, consolidate=1)


@pytest.mark.parametrize(
    ("epoch", "learning"), [(0, {"image"}), (1, {"image", "text"}), (6, set())], ids=["image first", "joint", "last"]
)
def test_what_a_phase_freezes_stays_as_it_is(epoch: int, learning: set[str]) -> None:
    torch.manual_seed(0)
    model, bags = Mmlnb(SHAPE), make_bags(12, 0)
    set_feature_statistics(model, bags)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    _epoch(model, bags, phase_at(epoch, PHASES))
    moved = {name.split(".")[0] for name, tensor in model.state_dict().items() if not torch.equal(before[name], tensor)}
    assert ("text" in moved) == ("text" in learning)
    assert ({"pooling", "image_head"} <= moved) == ("image" in learning)
    assert {"fusion", "head", "text_head"} <= moved


def test_a_gate_that_learns_last_stays_where_it_started_until_then() -> None:
    torch.manual_seed(0)
    model, bags = Mmlnb(SHAPE), make_bags(12, 0)
    set_feature_statistics(model, bags)
    before = [p.clone() for p in model.fusion.confidence.parameters()]
    for epoch in (0, 1):
        _epoch(model, bags, gate_last(phase_at(epoch, PHASES)))
        assert all(torch.equal(a, b) for a, b in zip(before, model.fusion.confidence.parameters(), strict=True))
    _epoch(model, bags, gate_last(phase_at(6, PHASES)))
    assert not all(torch.equal(a, b) for a, b in zip(before, model.fusion.confidence.parameters(), strict=True))


def _epoch(model: Mmlnb, bags: tuple, phase: Phase) -> tuple[float, float]:
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    return train_epoch(
        model, optimiser, bags, told(bags).ids(model), phase, OptimiserConfig(), np.random.default_rng(0)
    )


def test_features_are_standardised_by_all_training_tiles_also_from_the_disk(tmp_path: Path) -> None:
    bags = make_bags(9, 3)
    tiles = np.concatenate([bag.features for bag in bags])
    model = Mmlnb(SHAPE)
    mapped = []
    for number, bag in enumerate(bags):
        np.save(tmp_path / f"{number}.npy", bag.features)
        mapped.append(replace(bag, source=tmp_path / f"{number}.npy"))
    set_feature_statistics(model, tuple(mapped))
    np.testing.assert_allclose(model.feature_mean.numpy(), tiles.mean(axis=0), rtol=0, atol=1e-6)
    np.testing.assert_allclose(model.feature_scale.numpy(), 1 / tiles.std(axis=0), rtol=1e-5)
    from_disk, from_memory = attention_of(model, tuple(mapped)), attention_of(model, bags)
    assert all(np.array_equal(a, b) for a, b in zip(from_disk, from_memory, strict=True))
