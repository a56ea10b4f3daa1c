from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mmlnb.models.pooling.gated_attention import GatedAttention


def _pooling() -> GatedAttention:
    torch.manual_seed(0)
    return GatedAttention(features=12, dimension=8, hidden=6).eval()


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 40), st.integers(0, 20), st.integers(0, 2**31))
def test_padding_changes_nothing_and_gets_no_attention(tiles: int, padding: int, seed: int) -> None:
    pooling = _pooling()
    bag = torch.randn(1, tiles, 12, generator=torch.Generator().manual_seed(seed))
    padded = torch.cat([bag, torch.full((1, padding, 12), 1e3)], dim=1)
    mask = torch.arange(tiles + padding)[None] < tiles
    with torch.inference_mode():
        plain = pooling(bag, torch.ones(1, tiles, dtype=torch.bool))
        masked = pooling(padded, mask)
    torch.testing.assert_close(masked.embedding, plain.embedding)
    assert float(masked.attention[:, tiles:].sum()) == 0
    torch.testing.assert_close(masked.attention.sum(dim=1), torch.ones(1))


def test_the_order_of_the_tiles_does_not_matter() -> None:
    pooling = _pooling()
    bag = torch.randn(1, 30, 12)
    order = torch.randperm(30)
    mask = torch.ones(1, 30, dtype=torch.bool)
    with torch.inference_mode():
        a, b = pooling(bag, mask), pooling(bag[:, order], mask)
    torch.testing.assert_close(a.embedding, b.embedding)
    torch.testing.assert_close(a.attention[:, order], b.attention)


def test_the_names_of_its_weights_are_those_that_bundles_hold() -> None:
    layers = ("project.0", "value", "gate", "score")
    assert list(_pooling().state_dict()) == [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]
