"""Each pooling on a tiny network, against the same written out by hand."""

from __future__ import annotations

import pytest
import timm
import torch

from napari_mmlnb.models.encoders.pooling import ClassAndPatchMean, ClassToken, MapMean, OwnPooling, PatchMean
from napari_mmlnb.models.encoders.registry import POOLINGS

WIDTH, REGISTERS, PATCHES = 24, 3, 16


@pytest.fixture(scope="module")
def vit():
    """A ViT of two blocks with registers: 32 px, 16 patches."""
    torch.manual_seed(0)
    return timm.create_model(
        "vit_tiny_patch16_224",
        pretrained=False,
        img_size=32,
        patch_size=8,
        embed_dim=WIDTH,
        depth=2,
        num_heads=2,
        reg_tokens=REGISTERS,
        num_classes=0,
    ).eval()


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def tokens(vit, pictures) -> torch.Tensor:
    with torch.inference_mode():
        return vit.forward_features(pictures)


def pooled(pooling, network, pictures) -> torch.Tensor:
    with torch.inference_mode():
        vectors = pooling.pool(network, pictures)
    assert vectors.shape == (len(pictures), pooling.dimension(network))
    assert vectors.dtype == torch.float32
    return vectors


def test_the_tokens_are_a_class_token_registers_and_patches(tokens):
    assert tokens.shape == (2, 1 + REGISTERS + PATCHES, WIDTH)


def test_the_class_token_is_what_timm_gives(vit, pictures, tokens):
    vectors = pooled(ClassToken(), vit, pictures)
    assert torch.equal(vectors, tokens[:, 0])
    with torch.inference_mode():
        assert torch.equal(vectors, vit(pictures))


def test_the_mean_of_patches_leaves_out_registers(vit, pictures, tokens):
    vectors = pooled(PatchMean(), vit, pictures)
    assert torch.equal(vectors, tokens[:, 1 + REGISTERS :].mean(dim=1))
    assert not torch.allclose(vectors, tokens[:, 1:].mean(dim=1))


def test_class_token_and_mean_of_patches_lie_side_by_side(vit, pictures, tokens):
    vectors = pooled(ClassAndPatchMean(), vit, pictures)
    assert vectors.shape == (2, 2 * WIDTH)
    assert torch.equal(vectors[:, :WIDTH], tokens[:, 0])
    assert torch.equal(vectors[:, WIDTH:], tokens[:, 1 + REGISTERS :].mean(dim=1))


def test_without_a_pooling_of_its_own_a_vit_still_gives_one_vector(pictures):
    torch.manual_seed(2)
    network = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=32,
        patch_size=8,
        embed_dim=WIDTH,
        depth=1,
        num_heads=2,
        num_classes=0,
        global_pool="",
    ).eval()
    assert pooled(ClassAndPatchMean(), network, pictures).shape == (2, 2 * WIDTH)


@pytest.mark.parametrize(
    ("architecture", "length"),
    [("resnet10t", 512), ("swin_tiny_patch4_window7_224", 768), ("vit_tiny_patch16_224", 192)],
)
def test_any_network_of_timm_pools_in_its_own_way(architecture, length):
    network = timm.create_model(architecture, pretrained=False, num_classes=7).eval()
    assert OwnPooling().dimension(network) == length
    assert pooled(OwnPooling(), network, torch.zeros(1, 3, 224, 224)).shape == (1, length)


def test_the_head_of_vgg_is_wider_than_its_maps():
    with torch.device("meta"):
        network = timm.create_model("vgg11", pretrained=False, num_classes=2)
        pictures = torch.zeros(1, 3, 224, 224)
    assert OwnPooling().dimension(network) == OwnPooling().pool(network, pictures).shape[1] == 4096
    assert MapMean().dimension(network) == MapMean().pool(network, pictures).shape[1] == 512


def test_stages_are_appended_as_mean_and_deviation():
    torch.manual_seed(3)
    network = timm.create_model("resnet10t", pretrained=False, num_classes=0).eval()
    pictures = torch.randn(2, 3, 64, 64)
    vectors = pooled(MapMean(strides=(8,)), network, pictures)
    with torch.inference_mode():
        (stage,) = network.forward_intermediates(pictures, indices=[2], intermediates_only=True)
        last = network.forward_features(pictures)
    assert stage.shape == (2, 128, 8, 8)
    assert torch.equal(vectors[:, :512], last.mean(dim=(2, 3)))
    torch.testing.assert_close(vectors[:, 512:640], stage.mean(dim=(2, 3)))
    torch.testing.assert_close(vectors[:, 640:], stage.flatten(2).std(dim=2, unbiased=False))


def test_poolings_are_found_by_name():
    assert POOLINGS.names == ("map_mean", "class_token", "patch_mean", "class_token_and_patch_mean", "network")
    assert POOLINGS.get("class_token") == ClassToken()
