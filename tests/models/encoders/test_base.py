"""A patch encoder around any network: sizes, precision, and that it gives what its facts promise."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest
import torch

from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.models.encoders.facts import HALF, EncoderFacts, Transform
from napari_mmlnb.models.encoders.networks import TransformersTokens
from napari_mmlnb.models.encoders.pooling import ClassAndPatchMean, ClassToken

TINY = EncoderFacts(
    name="tiny",
    architecture="vit_tiny_patch16_224",
    arguments=MappingProxyType(
        {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 2, "num_classes": 0}
    ),
    input_px=32,
    transform=Transform(HALF, (0.25, 0.25, 0.25), "bicubic"),
    pooling=ClassToken(),
    source="folder:none",
    licence="MIT",
)


def encoder_of(facts: EncoderFacts) -> PatchEncoder:
    torch.manual_seed(0)
    return PatchEncoder(facts).eval()


def tiles(side: int, count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, generator=generator)


def test_normalisation_is_that_of_the_facts():
    encoder = encoder_of(TINY)
    with torch.inference_mode():
        by_hand = encoder.network((tiles(32).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25)
        torch.testing.assert_close(encoder(tiles(32)), by_hand)


def test_a_tile_of_another_size_is_brought_to_the_networks():
    encoder = encoder_of(TINY)
    plain = torch.full((1, 48, 48, 3), 90, dtype=torch.uint8)
    with torch.inference_mode():
        assert encoder(tiles(48)).shape == (2, 24)
        torch.testing.assert_close(encoder(plain), encoder(plain[:, :32, :32]))


def test_a_dimension_that_is_not_as_promised_is_an_error():
    with pytest.raises(ValueError, match="tiny gives 24 numbers a patch, not 25"):
        encoder_of(replace(TINY, dimension=25))
    assert encoder_of(replace(TINY, dimension=48, pooling=ClassAndPatchMean())).dimension == 48


def test_bfloat16_is_close_and_the_vectors_stay_float32():
    exact, coarse = encoder_of(TINY), encoder_of(replace(TINY, precision="bfloat16"))
    with torch.inference_mode():
        a, b = exact(tiles(32)), coarse(tiles(32))
    assert b.dtype == torch.float32
    assert not torch.equal(a, b)
    assert torch.cosine_similarity(a, b).min() > 0.99


def test_the_callers_autocast_is_left_alone():
    encoder = encoder_of(TINY)
    with torch.inference_mode():
        alone = encoder(tiles(32))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert not torch.equal(encoder(tiles(32)), alone)


def test_an_unknown_layer_is_refused():
    with pytest.raises(KeyError, match="Identity"):
        encoder_of(replace(TINY, arguments=MappingProxyType({"act_layer": "Identity"})))


class _Dinov2(torch.nn.Module):
    """Answers as a model of transformers does: four tokens, the last two of patches."""

    class config:  # noqa: N801 - transformers' attribute
        hidden_size = 3
        num_register_tokens = 1

    def forward(self, pixel_values: torch.Tensor):
        tokens = torch.arange(12.0).reshape(1, 4, 3).expand(len(pixel_values), 4, 3)
        return type("Output", (), {"last_hidden_state": tokens})


def test_tokens_of_transformers_are_pooled_alike():
    encoder = PatchEncoder(replace(TINY, pooling=ClassAndPatchMean(), dimension=6), TransformersTokens(_Dinov2()))
    assert encoder(tiles(32)).tolist() == [[0, 1, 2, 7.5, 8.5, 9.5]] * 2
