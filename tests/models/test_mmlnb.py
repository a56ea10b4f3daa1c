from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mmlnb.models.mmlnb import Mmlnb, MmlnbShape

SHAPE = MmlnbShape(features=20, classes=3, vocabulary=50, image=16, text=12, text_layers=1, max_tokens=10)


def _model() -> Mmlnb:
    torch.manual_seed(0)
    model = Mmlnb(SHAPE).eval()
    model.feature_mean.normal_()
    model.feature_scale.uniform_(0.5, 2)
    return model


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 300), st.integers(0, 2**31))
def test_contributions_and_bias_add_up_to_the_logits(tiles: int, seed: int) -> None:
    model = _model()
    bag = torch.randn(1, tiles, 20, generator=torch.Generator().manual_seed(seed)) * 3
    with torch.inference_mode():
        answer = model.answer_image(bag, torch.ones(1, tiles, dtype=torch.bool))
        total = answer.contribution.sum(dim=1) + model.image_head.bias
    torch.testing.assert_close(total, answer.logits, rtol=0, atol=1e-4)


def test_the_text_answer_knows_nothing_of_the_image() -> None:
    model = _model()
    ids, mask = torch.tensor([[3, 4, 0], [5, 6, 7]]), torch.ones(2, 5, dtype=torch.bool)
    with torch.inference_mode():
        one = model.answer_fused(model.answer_image(torch.randn(2, 5, 20), mask), ids)
        other = model.answer_fused(model.answer_image(torch.randn(2, 5, 20), mask), ids)
    torch.testing.assert_close(one.text_logits, other.text_logits)
    assert not torch.allclose(one.fused_logits, other.fused_logits)


def test_padding_of_the_text_changes_nothing() -> None:
    model = _model()
    with torch.inference_mode():
        short = model.text(torch.tensor([[3, 4, 5]]))
        padded = model.text(torch.tensor([[3, 4, 5, 0, 0]]))
    torch.testing.assert_close(short, padded, rtol=1e-5, atol=1e-6)
