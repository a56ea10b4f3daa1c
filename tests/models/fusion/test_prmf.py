from __future__ import annotations

import torch

from napari_mmlnb.models.fusion.prmf import PrmfGate


def _set_gate(fusion: PrmfGate, logit: float) -> None:
    last = fusion.confidence[2]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, logit)


def test_a_gate_of_one_is_the_text_and_of_zero_the_aligned_image() -> None:
    torch.manual_seed(0)
    fusion, u, v = PrmfGate(text=6, image=10), torch.randn(4, 6), torch.randn(4, 10)
    with torch.inference_mode():
        _set_gate(fusion, 50.0)
        torch.testing.assert_close(fusion(u, v).embedding, u)
        _set_gate(fusion, -50.0)
        torch.testing.assert_close(fusion(u, v).embedding, fusion.align(v))


def test_published_sizes() -> None:
    fusion = PrmfGate(text=768, image=512)
    assert fusion.confidence[0].weight.shape == (256, 1280)
    assert fusion.confidence[2].weight.shape == (1, 256)
    assert fusion.align.weight.shape == (768, 512)


def test_the_gate_is_one_number_a_sample() -> None:
    fused = PrmfGate(text=6, image=10)(torch.randn(3, 6), torch.randn(3, 10))
    assert fused.gate.shape == (3,)
    assert bool(((fused.gate > 0) & (fused.gate < 1)).all())
