from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from napari_mmlnb.bundles.bundle import read_bundle
from napari_mmlnb.bundles.registry import load_bundle
from napari_mmlnb.bundles.selftest import run_selftest
from napari_mmlnb.bundles.spec import DIGESTED, SPEC_FILE
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import BundleError, UnknownNameError
from tests.bundle_factory import make_bundle


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("made")).folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(made, tmp_path / "bundle"))


def _repin(folder: Path, name: str) -> None:
    """Give a changed file its own digest, so that only its content can be found wrong."""
    spec = yaml.safe_load((folder / SPEC_FILE).read_text())
    spec["files"][name] = file_sha256(folder / name)
    (folder / SPEC_FILE).write_text(yaml.safe_dump(spec))


def test_what_was_written_answers_alike_when_read(tmp_path: Path) -> None:
    written = make_bundle(tmp_path / "bundle")
    read = load_bundle(tmp_path / "bundle")
    bag, mask = torch.randn(1, 5, read.encoder.dimension), torch.ones(1, 5, dtype=torch.bool)
    ids = torch.from_numpy(read.tokenizer.encode(["eosin 12 %"]))
    with torch.inference_mode():
        a, b = written.system.answer_image(bag, mask), read.system.answer_image(bag, mask)
        torch.testing.assert_close(a.logits, b.logits)
        torch.testing.assert_close(
            written.system.answer_fused(a, ids).fused_logits, read.system.answer_fused(b, ids).fused_logits
        )
    assert read.spec == written.spec
    assert read.calibration == written.calibration
    run_selftest(read, torch.device("cpu"))


@pytest.mark.parametrize("name", [*DIGESTED, SPEC_FILE])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        read_bundle(folder)


@pytest.mark.parametrize("name", DIGESTED)
def test_an_altered_file_is_named(folder: Path, name: str) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=f"altered.*{name}"):
        read_bundle(folder)


def test_a_wrong_schema_names_the_field(folder: Path) -> None:
    spec = yaml.safe_load((folder / SPEC_FILE).read_text())
    spec["encoder"]["um_per_px"] = -1
    (folder / SPEC_FILE).write_text(yaml.safe_dump(spec))
    with pytest.raises(BundleError, match=r"encoder\.um_per_px"):
        read_bundle(folder)


def test_weights_that_do_not_fit_are_refused(folder: Path) -> None:
    path = folder / "weights.safetensors"
    tensors = load_file(path)
    tensors.pop("system.image_head.bias")
    save_file(tensors, path)
    _repin(folder, path.name)
    with pytest.raises(BundleError, match="do not fit"):
        read_bundle(folder)


def test_a_pickle_in_the_place_of_the_weights_is_refused_and_not_run(folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "ran"

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (trace,)

    path = folder / "weights.safetensors"
    path.write_bytes(pickle.dumps(Payload()))
    _repin(folder, path.name)
    with pytest.raises(BundleError, match="do not fit"):
        read_bundle(folder)
    assert not trace.exists()


def test_a_bundle_of_another_encoder_is_refused(folder: Path) -> None:
    spec = yaml.safe_load((folder / SPEC_FILE).read_text())
    spec["encoder"]["revision"] = "0" * 64
    (folder / SPEC_FILE).write_text(yaml.safe_dump(spec))
    with pytest.raises(BundleError, match="another efficientnet_lite0"):
        read_bundle(folder)


def test_the_self_test_refuses_weights_that_answer_otherwise(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    with torch.no_grad():
        bundle.system.image_head.bias += 0.2
    with pytest.raises(BundleError, match="self-test"):
        run_selftest(bundle, torch.device("cpu"))


def test_the_self_test_refuses_answers_that_are_no_numbers(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    with torch.no_grad():
        bundle.system.image_head.bias.fill_(float("nan"))
    with pytest.raises(BundleError, match="self-test"):
        run_selftest(bundle, torch.device("cpu"))


def test_a_folder_without_a_bundle_says_so(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"bundle\.yaml"):
        load_bundle(tmp_path)


def test_a_shipped_name_is_not_mistaken_for_a_folder_here(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder, tmp_path / "here" / "nb-phantom")
    monkeypatch.chdir(tmp_path / "here")
    assert load_bundle("nb-phantom").spec.name == "nb-phantom"


def test_an_unknown_model_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="nb-phantom"):
        load_bundle("no-such-model")
