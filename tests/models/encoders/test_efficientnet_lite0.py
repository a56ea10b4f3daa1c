"""The encoder is the network that it says it is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from napari_mmlnb.bundles.encoder_weights import load_encoder

data = pytest.importorskip("skimage.data")


def _square(photograph: np.ndarray) -> torch.Tensor:
    side = min(photograph.shape[:2])
    top, left = ((n - side) // 2 for n in photograph.shape[:2])
    crop = photograph[top : top + side, left : left + side]
    return torch.from_numpy(cv2.resize(crop, (224, 224), interpolation=cv2.INTER_AREA))[None]


@pytest.mark.parametrize(("name", "imagenet_class"), [("chelsea", 285), ("coffee", 967)])
def test_known_photographs_get_their_imagenet_class(name: str, imagenet_class: int) -> None:
    encoder = load_encoder("efficientnet_lite0")
    pixels = _square(getattr(data, name)())
    with torch.inference_mode():
        normalised = (pixels.permute(0, 3, 1, 2).float() - encoder.mean) / encoder.std
        assert int(encoder.network(normalised).argmax()) == imagenet_class


def test_output_is_the_pooled_last_features_then_stage_statistics() -> None:
    encoder = load_encoder("efficientnet_lite0")
    pixels = _square(data.chelsea())
    with torch.inference_mode():
        features = encoder(pixels)
        normalised = (pixels.permute(0, 3, 1, 2).float() - encoder.mean) / encoder.std
        last = encoder.network.forward_features(normalised).mean(dim=(2, 3))
    assert features.shape == (1, encoder.dimension) == (1, 1280 + 2 * 40 + 2 * 112)
    torch.testing.assert_close(features[:, :1280], last)


def test_a_tile_gets_the_same_features_in_any_batch() -> None:
    encoder = load_encoder("efficientnet_lite0")
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8))
    with torch.inference_mode():
        together, alone = encoder(pixels), torch.cat([encoder(p[None]) for p in pixels])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_a_tile_of_another_size_goes_in_as_it_is() -> None:
    encoder = load_encoder("efficientnet_lite0")
    pixels = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (1, 256, 192, 3), dtype=np.uint8))
    with torch.inference_mode():
        last = encoder.network.forward_features((pixels.permute(0, 3, 1, 2).float() - encoder.mean) / encoder.std)
        assert torch.equal(encoder(pixels)[:, :1280], last.mean(dim=(2, 3)))
