"""Encoders in a folder: tiny models of the same classes, saved as timm and transformers save them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_mmlnb.bundles.encoder_weights import load_encoder
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import BundleError, MissingExtraError, UnknownNameError

WIDTH = 24
CONFIG = {
    "architecture": "vit_tiny_patch16_224",
    "num_classes": 0,
    "model_args": {"img_size": 32, "patch_size": 8, "embed_dim": WIDTH, "depth": 1, "num_heads": 2, "reg_tokens": 2},
    "pretrained_cfg": {
        "input_size": [3, 32, 32],
        "mean": [0.4, 0.5, 0.6],
        "std": [0.2, 0.2, 0.2],
        "license": "mit",
        "crop_pct": 0.9,
    },
}


def write_timm(folder: Path, config: dict = CONFIG) -> Path:
    """A folder as timm's `save_for_hf` leaves it, with random weights."""
    import timm

    torch.manual_seed(0)
    network = timm.create_model(config["architecture"], num_classes=config["num_classes"], **config["model_args"])
    folder.mkdir(exist_ok=True)
    save_file(network.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_timm(tmp_path / "mine")


def tiles(side: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def encode(encoder) -> torch.Tensor:
    with torch.inference_mode():
        return encoder(tiles())


def test_a_folder_of_timm_is_an_encoder(folder):
    encoder = load_encoder(str(folder))
    facts = encoder.facts
    assert (facts.input_px, facts.mean, facts.licence) == (32, (0.4, 0.5, 0.6), "mit")
    assert facts.sha256 == file_sha256(folder / "model.safetensors")
    assert not encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())
    torch.testing.assert_close(
        encode(encoder), encoder.network((tiles().permute(0, 3, 1, 2) / 255 - encoder.mean / 255) / 0.2)
    )


def test_what_the_folder_does_not_say_can_be_said_beside_it(folder):
    (folder / "encoder.json").write_text(
        json.dumps(
            {"pooling": "class_token_and_patch_mean", "um_per_px": [0.5], "licence": "CC0", "std": [0.1, 0.1, 0.1]}
        )
    )
    encoder = load_encoder(str(folder))
    assert encode(encoder).shape == (2, 2 * WIDTH)
    assert (encoder.facts.um_per_px, encoder.facts.licence, encoder.facts.std) == ((0.5,), "CC0", (0.1, 0.1, 0.1))


def test_a_vit_that_does_not_pool_must_be_told_how(tmp_path):
    config = CONFIG | {"model_args": CONFIG["model_args"] | {"global_pool": ""}}
    folder = write_timm(tmp_path / "open", config)
    with pytest.raises(BundleError, match=r"encoder\.json"):
        load_encoder(str(folder))
    (folder / "encoder.json").write_text('{"pooling": "patch_mean"}')
    assert encode(load_encoder(str(folder))).shape == (2, WIDTH)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "config.json does not fit"),
        ("{}", "does not say which network"),
        ('{"architecture": "no_such_network"}', "timm cannot build no_such_network"),
        ('{"architecture": "vit_tiny_patch16_224", "model_args": {"no_such_argument": 1}}', "timm cannot build"),
        ('{"model_type": "hibou", "auto_map": {"AutoModel": "code.Model"}}', "never runs"),
        ('{"architecture": "vit_tiny_patch16_224", "num_classes": -1}', "num_classes"),
    ],
)
def test_a_config_that_is_no_use_says_why(folder, text, said):
    (folder / "config.json").write_text(text)
    with pytest.raises(BundleError, match=said):
        load_encoder(str(folder))


def test_weights_that_are_cut_off(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BundleError, match="cannot be read"):
        load_encoder(str(folder))


def test_weights_of_another_network(folder):
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("cls_token")
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(BundleError, match="cls_token"):
        load_encoder(str(folder))


def test_pickled_weights_are_not_read_from_a_folder(folder):
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(BundleError, match="safetensors"):
        load_encoder(str(folder))


def test_an_unknown_pooling_lists_those_that_are_there(folder):
    (folder / "encoder.json").write_text('{"pooling": "best"}')
    with pytest.raises(UnknownNameError, match="patch_mean"):
        load_encoder(str(folder))


def test_an_empty_folder_holds_no_encoder(tmp_path):
    with pytest.raises(BundleError, match="holds no encoder"):
        load_encoder(str(tmp_path))


def test_a_folder_of_transformers_without_transformers_names_the_extra(folder, monkeypatch):
    (folder / "config.json").write_text('{"model_type": "dinov2", "architectures": ["Dinov2Model"]}')
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"napari-mmlnb\[transformers\]"):
        load_encoder(str(folder))


def test_a_folder_of_transformers_gives_the_tokens_of_its_model(tmp_path):
    transformers = pytest.importorskip("transformers", reason="the extra `transformers` is not installed")
    torch.manual_seed(0)
    config = transformers.Dinov2Config(
        hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14, use_swiglu_ffn=True
    )
    model = transformers.Dinov2Model(config).eval()
    model.save_pretrained(tmp_path)
    (tmp_path / "encoder.json").write_text('{"pooling": "class_token_and_patch_mean", "mean": [0.5, 0.5, 0.5]}')
    encoder = load_encoder(str(tmp_path))
    assert encoder.facts.input_px == 28
    pixels = torch.randint(0, 256, (2, 28, 28, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        x = (pixels.permute(0, 3, 1, 2).float() - encoder.mean) / encoder.std
        tokens = model(pixel_values=x).last_hidden_state
        vectors = encoder(pixels)
    assert vectors.shape == (2, 2 * WIDTH)
    torch.testing.assert_close(vectors[:, :WIDTH], tokens[:, 0])
    torch.testing.assert_close(vectors[:, WIDTH:], tokens[:, 1:].mean(dim=1))


def test_tensors_that_a_model_of_transformers_lacks_are_named(tmp_path):
    transformers = pytest.importorskip("transformers", reason="the extra `transformers` is not installed")
    config = transformers.Dinov2Config(
        hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
    )
    transformers.Dinov2Model(config).save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors.pop("layernorm.weight")
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BundleError, match=r"layernorm\.weight"):
        load_encoder(str(tmp_path))
