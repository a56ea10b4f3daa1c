"""What is particular to single methods."""

from __future__ import annotations

import pytest
import torch

from napari_mmlnb.models.pooling.base import PoolingShape
from napari_mmlnb.models.pooling.registry import POOLINGS
from napari_mmlnb.models.pooling.transmil import Ppeg

SHAPE = PoolingShape(features=6, classes=3, dimension=16, hidden=8)


def build(name: str):
    torch.manual_seed(0)
    return POOLINGS.get(name).build(SHAPE).eval()


def run(model, bag):
    with torch.inference_mode():
        return model(bag, torch.ones(bag.shape[:2], dtype=torch.bool))


def test_mean_attends_to_all_tiles_alike() -> None:
    answer = run(build("mean"), torch.randn(2, 8, 6))
    torch.testing.assert_close(answer.attention, torch.full((2, 8), 1 / 8))


def test_max_credits_the_tile_that_has_the_largest_value() -> None:
    model = build("max")
    with torch.no_grad():
        model.project[0].weight.zero_()
        model.project[0].weight[:3, :3] = torch.eye(3)
        model.project[0].bias.zero_()
    bag = torch.zeros(1, 3, 6)
    bag[0, 1, 0], bag[0, 2, 1], bag[0, 2, 2] = 4.0, 1.0, 2.0
    answer = run(model, bag)
    torch.testing.assert_close(answer.attention, torch.tensor([[0.0, 1 / 3, 2 / 3]]))
    torch.testing.assert_close(answer.contributions[0, 1], 4.0 * model.head.weight[:, 0].detach())
    assert not answer.contributions[0, 0].any()


def test_a_bag_in_which_nothing_is_above_zero_is_attended_to_evenly() -> None:
    model = build("max")
    with torch.no_grad():
        model.project[0].bias.fill_(-1e4)
    answer = run(model, torch.randn(1, 4, 6))
    torch.testing.assert_close(answer.attention, torch.full((1, 4), 0.25))
    assert not answer.contributions.any()


def test_additive_tiles_speak_for_themselves() -> None:
    """Each contribution is the tile's own network on the tile, weighted; other tiles enter through attention only."""
    model = build("additive")
    bag = torch.randn(1, 9, 6)
    answer = run(model, bag)
    with torch.inference_mode():
        instances = model.pooling.project(bag)
        each = torch.stack([model.tile_head(answer.attention[0, i] * instances[0, i]) for i in range(9)])
    torch.testing.assert_close(answer.contributions[0], each)
    assert bool((answer.contributions < 0).any()) and bool((answer.contributions > 0).any())


def test_additive_logits_do_not_drift_with_the_size_of_the_bag() -> None:
    model, bag = build("additive"), torch.randn(1, 20, 6)
    torch.testing.assert_close(run(model, bag.repeat(1, 50, 1)).logits, run(model, bag).logits, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["clam_mb", "dsmil"])
def test_with_an_attention_a_class_the_map_is_that_of_the_likeliest(name: str) -> None:
    model = build(name)
    answer = run(model, 30 * torch.randn(64, 12, 6))
    likeliest = answer.logits.argmax(dim=1)
    assert len(set(likeliest.tolist())) > 1
    assert answer.branches.shape == (64, 3, 12)
    torch.testing.assert_close(answer.attention, answer.branches[torch.arange(64), likeliest])
    torch.testing.assert_close(answer.branches.sum(dim=2), torch.ones(64, 3))


def test_dsmil_attends_to_what_is_like_the_critical_tile_and_scores_its_own_stream() -> None:
    model, bag = build("dsmil"), torch.randn(1, 12, 6)
    mask = torch.ones(1, 12, dtype=torch.bool)
    with torch.inference_mode():
        own = model.tile_head(model.project(bag))[0]
        torch.testing.assert_close(model.tile_logits(bag, mask)[0], own.amax(dim=0))
        # With one tile, both streams see that tile alone.
        alone = model(bag[:, :1], mask[:, :1])
        value = model.value(model.project(bag[:, 0]))
        expected = 0.5 * (own[0] + model.bag_head(value.repeat(1, 3))[0])
    torch.testing.assert_close(alone.logits[0], expected)


def test_dsmil_padding_is_never_critical() -> None:
    model = build("dsmil")
    bag, mask = torch.randn(1, 6, 6), torch.tensor([[True] * 4 + [False] * 2])
    with torch.inference_mode():
        model.tile_head.weight.abs_().neg_()  # every real tile scores below what padding of zeros would
        torch.testing.assert_close(model.tile_logits(bag, mask), model.tile_logits(bag[:, :4], mask[:, :4]))
        torch.testing.assert_close(model(bag, mask).logits, model(bag[:, :4], mask[:, :4]).logits)


def test_ppeg_is_the_sum_of_its_three_convolutions_and_its_strips_make_the_whole() -> None:
    torch.manual_seed(0)
    ppeg, square = Ppeg(4), torch.randn(9, 9, 4)
    maps = square.permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected = maps.clone()
        for layer, margin in ((ppeg.wide, 3), (ppeg.middle, 2), (ppeg.narrow, 1)):
            expected += layer(torch.nn.functional.pad(maps, (margin,) * 4))
        torch.testing.assert_close(ppeg(square), expected[0].permute(1, 2, 0))
        strips = [ppeg.strip(square, top, min(top + 4, 9)) for top in range(0, 9, 4)]
        torch.testing.assert_close(torch.cat(strips), ppeg(square))


@pytest.mark.parametrize("tiles", [1, 2, 3, 5, 16, 17])
def test_transmil_takes_bags_that_are_no_square(tiles: int) -> None:
    answer = run(build("transmil"), torch.randn(1, tiles, 6))
    assert bool(torch.isfinite(answer.logits).all())
    assert answer.attention.shape == (1, tiles)
