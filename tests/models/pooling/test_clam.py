from __future__ import annotations

import pytest
import torch

from napari_mmlnb.models.pooling.base import PoolingShape
from napari_mmlnb.models.pooling.clam import BAG_WEIGHT, ClamClassifier, smooth_svm

SHAPE = PoolingShape(features=10, classes=2, dimension=16, hidden=8, dropout=0.0)


def make(*, attention_a_class: bool = True) -> ClamClassifier:
    torch.manual_seed(0)
    return ClamClassifier(SHAPE, attention_a_class=attention_a_class)


def bags(count: int = 24, tiles: int = 30, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Bags with three telling tiles of their class among noise."""
    generator = torch.Generator().manual_seed(seed)
    bag = torch.randn(count, tiles, SHAPE.features, generator=generator)
    labels = torch.arange(count) % 2
    bag[labels == 0, :3, 0] += 5
    bag[labels == 1, :3, 1] += 5
    return bag, torch.ones(count, tiles, dtype=torch.bool), labels


@pytest.mark.parametrize("attention_a_class", [True, False])
def test_training_with_both_losses_finds_class_and_tiles(attention_a_class: bool) -> None:
    model = make(attention_a_class=attention_a_class)
    bag, mask, labels = bags()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    first = last = 0.0
    for step in range(60):
        tiles = model.instance_loss(bag, mask, labels, tiles=3)
        loss = BAG_WEIGHT * torch.nn.functional.cross_entropy(model(bag, mask).logits, labels)
        loss = loss + (1 - BAG_WEIGHT) * tiles
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        first, last = (float(tiles.detach()) if step == 0 else first), float(tiles.detach())
    assert last < 0.5 * first
    unseen, mask, labels = bags(seed=1)
    with torch.inference_mode():
        answer = model.eval()(unseen, mask)
    assert (answer.logits.argmax(dim=1) == labels).float().mean() > 0.9
    assert (answer.attention[:, :3].sum(dim=1) > 3 / 30).float().mean() > 0.9


def test_the_loss_on_tiles_teaches_the_tiles_classifiers_and_not_the_attention() -> None:
    model = make()
    bag, mask, labels = bags(4)
    model.instance_loss(bag, mask, labels).backward()
    assert all(one.weight.grad.any() for one in model.clusters)
    assert model.score.weight.grad is None or not model.score.weight.grad.any()


def test_padding_is_no_evidence() -> None:
    model = make().eval()
    bag, mask, labels = bags(4)
    padded = torch.cat([bag, torch.full((4, 9, SHAPE.features), 1e3)], dim=1)
    longer = torch.cat([mask, torch.zeros(4, 9, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(model.instance_loss(padded, longer, labels), model.instance_loss(bag, mask, labels))


def test_where_classes_do_not_exclude_each_other_the_other_branch_learns_nothing() -> None:
    model = make()
    bag, mask, _ = bags(4)
    model.instance_loss(bag, mask, torch.zeros(4, dtype=torch.long), exclusive=False).backward()
    assert model.clusters[0].weight.grad.any()
    assert model.clusters[1].weight.grad is None


def test_bags_of_a_single_tile_have_no_two_ends() -> None:
    bag, mask, labels = bags(2, tiles=1 + 3)
    mask[:, 1:] = False
    assert float(make().instance_loss(bag, mask, labels).detach()) == 0


def test_the_smooth_svm_wants_a_lead_of_the_margin() -> None:
    right = torch.tensor([0])
    even = float(smooth_svm(torch.tensor([[0.0, 0.0]]), right))
    ahead = float(smooth_svm(torch.tensor([[20.0, 0.0]]), right))
    behind = float(smooth_svm(torch.tensor([[0.0, 20.0]]), right))
    assert even == pytest.approx(torch.log1p(torch.exp(torch.tensor(1.0))).item())
    assert ahead == pytest.approx(0.0, abs=1e-6)
    assert behind == pytest.approx(21.0, abs=1e-4)
    assert float(smooth_svm(torch.tensor([[0.5, 0.0]]), right, temperature=0.01)) == pytest.approx(0.5, abs=0.01)
