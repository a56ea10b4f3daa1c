"""What every pooling keeps to, whichever it is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mmlnb.models.pooling.base import BagAnswer, BagClassifier, PoolingShape
from napari_mmlnb.models.pooling.chunks import in_chunks
from napari_mmlnb.models.pooling.registry import POOLINGS

FEATURES, CLASSES = 12, 3
every_pooling = pytest.mark.parametrize("name", POOLINGS.names)


def build(name: str) -> BagClassifier:
    torch.manual_seed(0)
    model = POOLINGS.get(name).build(PoolingShape(FEATURES, CLASSES, dimension=16, hidden=8))
    with torch.no_grad():
        for parameter in model.parameters():  # so that no bias is 0 and a forgotten one is noticed
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return model.eval()


def draw(tiles: int, seed: int = 0, bags: int = 1) -> torch.Tensor:
    return torch.randn(bags, tiles, FEATURES, generator=torch.Generator().manual_seed(seed))


def whole(bag: torch.Tensor) -> torch.Tensor:
    return torch.ones(bag.shape[:2], dtype=torch.bool)


def assert_same(a: BagAnswer, b: BagAnswer, atol: float = 1e-5) -> None:
    for field in ("logits", "embedding", "attention", "contributions", "bias", "branches"):
        one, other = getattr(a, field), getattr(b, field)
        assert (one is None) == (other is None), field
        if one is not None:
            torch.testing.assert_close(one, other, atol=atol, rtol=1e-5, msg=lambda text, f=field: f"{f}: {text}")


@every_pooling
@settings(deadline=None, max_examples=20)
@given(tiles=st.integers(1, 40), padding=st.integers(1, 20), seed=st.integers(0, 2**31))
def test_padding_of_any_content_changes_nothing(name: str, tiles: int, padding: int, seed: int) -> None:
    model, bag = build(name), draw(tiles, seed)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(tiles + padding, generator=generator)
    filler = torch.tensor([1e3, float("inf"), -1e3])[torch.arange(padding) % 3]
    padded = torch.cat([bag, filler[None, :, None].expand(1, padding, FEATURES)], dim=1)
    places = torch.sort(order[:tiles]).values  # padding may lie anywhere between the tiles
    mixed, mask = torch.empty_like(padded), torch.zeros(1, tiles + padding, dtype=torch.bool)
    mask[0, places] = True
    mixed[mask], mixed[~mask] = bag[0], padded[0, tiles:]
    with torch.inference_mode():
        plain, masked = model(bag, whole(bag)), model(mixed, mask)
    torch.testing.assert_close(masked.logits, plain.logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(masked.embedding, plain.embedding, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(masked.attention[mask], plain.attention[0], atol=1e-5, rtol=1e-5)
    assert not masked.attention[~mask].any()
    if masked.contributions is not None:
        torch.testing.assert_close(masked.contributions[mask], plain.contributions[0], atol=1e-5, rtol=1e-5)
        assert not masked.contributions[~mask].any()


@every_pooling
@pytest.mark.parametrize("tiles", [1, 2, 37])
def test_attention_is_a_share_of_the_whole_for_each_bag(name: str, tiles: int) -> None:
    model, bag = build(name), draw(tiles, bags=3)
    with torch.inference_mode():
        pooled, answer = model.pool(bag, whole(bag)), model(bag, whole(bag))
    assert float(pooled.attention.min()) >= 0
    torch.testing.assert_close(pooled.attention.sum(dim=1), torch.ones(3))
    torch.testing.assert_close(answer.attention, pooled.attention)
    torch.testing.assert_close(answer.embedding, pooled.embedding)


@every_pooling
def test_the_embedding_is_the_weighted_mean_where_the_facts_say_so(name: str) -> None:
    model, bag = build(name), draw(30, bags=2)
    with torch.inference_mode():
        pooled = model.pool(bag, whole(bag))
    mean = torch.einsum("bn,bnd->bd", pooled.attention, pooled.instances)
    assert torch.allclose(mean, pooled.embedding, atol=1e-5) == POOLINGS.get(name).weighted_mean


@every_pooling
@pytest.mark.parametrize("tiles", [1, 50, 3000])
def test_contributions_and_bias_give_the_logits(name: str, tiles: int) -> None:
    model, bag = build(name), 3 * draw(tiles, bags=2)
    mask = whole(bag)
    mask[1, tiles // 2 + 1 :] = False
    with torch.inference_mode():
        answer = model(bag, mask)
    if not POOLINGS.get(name).exact_contributions:
        assert answer.contributions is None
        return
    assert answer.contributions is not None
    torch.testing.assert_close(answer.contributions.sum(dim=1) + answer.bias, answer.logits, atol=1e-4, rtol=0)


@every_pooling
def test_the_most_attended_tile_tells(name: str) -> None:
    model, bag = build(name), draw(30)
    with torch.inference_mode():
        before = model(bag, whole(bag))
        likeliest = int(before.attention[0].argmax())
        without = torch.cat([bag[:, :likeliest], bag[:, likeliest + 1 :]], dim=1)
        after = model(without, whole(without))
    assert not torch.allclose(before.logits, after.logits, atol=1e-4)


@every_pooling
def test_the_order_of_the_tiles_matters_only_where_the_facts_say_so(name: str) -> None:
    model, bag = build(name), draw(30)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        a, b = model(bag, whole(bag)), model(bag[:, order], whole(bag))
    same = torch.allclose(a.logits, b.logits, atol=1e-5)
    assert same != POOLINGS.get(name).order_matters
    if same:
        torch.testing.assert_close(a.attention[:, order], b.attention)
        torch.testing.assert_close(a.contributions[:, order], b.contributions)


@every_pooling
@pytest.mark.parametrize(("tiles", "chunk"), [(1, 5), (7, 7), (50, 7), (500, 64), (500, 499), (5000, 1024)])
def test_a_bag_in_chunks_gives_the_answer_of_the_whole(name: str, tiles: int, chunk: int) -> None:
    model, bag = build(name), draw(tiles)
    with torch.inference_mode():
        plain = model(bag, whole(bag))
    assert_same(model.answer_in_chunks(in_chunks(bag[0], chunk)), plain)


@every_pooling
def test_scores_far_apart_overflow_nothing_in_chunks(name: str) -> None:
    model, bag = build(name), draw(64)
    bag[0, 40] *= 1e3
    with torch.inference_mode():
        plain = model(bag, whole(bag))
    chunked = model.answer_in_chunks(in_chunks(bag[0], 16))
    assert bool(torch.isfinite(chunked.embedding).all())
    torch.testing.assert_close(chunked.logits, plain.logits, rtol=1e-4, atol=1e-3)


# Elsewhere the order of the tiles counts, or (DSMIL) the first of two tiles that are both critical.
@pytest.mark.parametrize(
    "name", [facts.name for facts in POOLINGS if not (facts.order_matters or facts.name == "dsmil")]
)
def test_duplicated_tiles_share_alike(name: str) -> None:
    model, bag = build(name), draw(10)
    doubled = torch.cat([bag, bag], dim=1)
    with torch.inference_mode():
        once, twice = model(bag, whole(bag)), model(doubled, whole(doubled))
    torch.testing.assert_close(twice.logits, once.logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(twice.attention[:, :10], twice.attention[:, 10:])
    torch.testing.assert_close(twice.attention[:, :10], once.attention / 2)


@every_pooling
def test_a_bag_without_tiles_is_refused_in_chunks(name: str) -> None:
    with pytest.raises(ValueError, match="without tiles"):
        build(name).answer_in_chunks(in_chunks(torch.zeros(0, FEATURES)))


@every_pooling
def test_every_weight_that_answers_a_bag_learns(name: str) -> None:
    model, bag = build(name).train(), draw(20, bags=4)
    model(bag, whole(bag)).logits.square().sum().backward()
    still = {key for key, one in model.named_parameters() if one.grad is None or not one.grad.any()}
    # CLAM's tile classifiers learn from the loss on tiles alone. What is added to all tiles' scores alike cancels in
    # the softmax: whether anything of it is left in the gradient is a matter of rounding.
    assert {key for key in still if not key.startswith("clusters") and key != "score.bias"} == set()


def test_all_methods_can_be_found_with_where_they_were_published() -> None:
    wanted = {"gated_attention", "additive", "clam_sb", "clam_mb", "dsmil", "transmil", "mean", "max"}
    assert wanted <= set(POOLINGS.names)
    assert all("arXiv" in facts.source for facts in POOLINGS)
