"""A bundle's own describing model: put in whole, named file by file, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from napari_mmlnb.bundles.bundle import read_bundle
from napari_mmlnb.bundles.describer_files import attach_describer, describing_of
from napari_mmlnb.bundles.spec import DESCRIBER_FOLDER, DescribingSpec
from napari_mmlnb.describe.describing_facts import DescribingFacts
from napari_mmlnb.describe.prompt import DEFAULT_PROMPT, STEADY, Generation
from napari_mmlnb.errors import BundleError, RequestError
from tests.bundle_factory import make_bundle

SPEC = DescribingSpec(name="tiny", licence="BSD-3-Clause", files={})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    make_bundle(folder)
    return folder


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "bundle"))


@pytest.fixture
def describer(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_bundle_with_a_describer_is_read_and_answers_with_the_same_weights(bundle: Path, describer: Path) -> None:
    before = read_bundle(bundle)
    attach_describer(bundle, describer, SPEC)
    after = read_bundle(bundle)
    assert after.weights_sha256 == before.weights_sha256
    assert after.spec.files == before.spec.files
    assert set(after.spec.describing.files) == {"config.json", "model.safetensors"}
    assert (bundle / DESCRIBER_FOLDER / "model.safetensors").read_bytes() == b"weights"


def test_another_one_takes_its_place(bundle: Path, describer: Path) -> None:
    attach_describer(bundle, describer, SPEC)
    (describer / "tokenizer.json").write_text("{}")
    (describer / "model.safetensors").write_bytes(b"other weights")
    attach_describer(bundle, describer, SPEC.model_copy(update={"name": "other"}))
    describing = read_bundle(bundle).spec.describing
    assert describing.name == "other"
    assert "tokenizer.json" in describing.files


@pytest.mark.parametrize("harm", ["altered", "missing", "added"])
def test_a_file_that_is_not_the_one_named_is_refused(bundle: Path, describer: Path, harm: str) -> None:
    attach_describer(bundle, describer, SPEC)
    weights = bundle / DESCRIBER_FOLDER / "model.safetensors"
    if harm == "altered":
        weights.write_bytes(b"weightz")
    elif harm == "missing":
        weights.unlink()
    else:
        (bundle / DESCRIBER_FOLDER / "modeling_own.json").write_text("{}")
    with pytest.raises(BundleError, match=DESCRIBER_FOLDER):
        read_bundle(bundle)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "modeling_own.py"])
def test_pickles_and_code_have_no_place_in_a_bundle(bundle: Path, describer: Path, name: str) -> None:
    (describer / name).write_bytes(b"")
    with pytest.raises(BundleError, match=name):
        attach_describer(bundle, describer, SPEC)
    assert read_bundle(bundle).spec.describing is None


def test_a_folder_without_a_model_is_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no describing model"):
        attach_describer(bundle, tmp_path / "nothing", SPEC)


def test_a_fine_tuned_model_is_asked_what_it_was_trained_with(describer: Path) -> None:
    taught = Generation(max_new_tokens=64)
    DescribingFacts(
        base="b", base_sha256="0", licence="apache-2.0", prompt="What lies here?", image_px=256, generation=taught
    ).write(describer)
    spec = describing_of(describer, "tuned")
    assert (spec.licence, spec.prompt, spec.generation) == ("apache-2.0", "What lies here?", taught)
    given = describing_of(describer, "tuned", "MIT", "Anything else?", STEADY)
    assert (given.licence, given.prompt, given.generation) == ("MIT", "Anything else?", STEADY)


def test_a_model_that_says_nothing_needs_a_licence(describer: Path) -> None:
    with pytest.raises(RequestError, match="licence"):
        describing_of(describer, "plain")
    spec = describing_of(describer, "plain", "MIT")
    assert (spec.prompt, spec.generation) == (DEFAULT_PROMPT, Generation())


def test_an_adapter_is_refused_with_the_way_to_the_whole_model(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(BundleError, match="holds an adapter") as raised:
        attach_describer(bundle, folder, SPEC)
    assert "keep: both" in raised.value.remedy
