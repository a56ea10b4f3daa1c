from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mmlnb.models.pooling.chunks import OnlineSoftmax, in_chunks


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.floats(0.1, 300), st.integers(0, 2**31))
def test_means_in_pieces_are_those_of_the_whole(pieces: list[int], spread: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = spread * torch.randn(2, sum(pieces), generator=generator)
    values = torch.randn(sum(pieces), 5, generator=generator)
    online = OnlineSoftmax()
    for some, rows in zip(scores.split(pieces, dim=1), values.split(pieces), strict=True):
        online.add(some, rows)
    torch.testing.assert_close(online.mean, torch.softmax(scores, dim=1) @ values, atol=1e-5, rtol=1e-5)


def test_chunks_cover_the_bag_once_and_in_order() -> None:
    bag = torch.arange(20.0).view(10, 2)
    chunks = list(in_chunks(bag, 4))
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    assert torch.equal(torch.cat(chunks), bag)
    with pytest.raises(ValueError, match="at least one"):
        list(in_chunks(bag, 0))
