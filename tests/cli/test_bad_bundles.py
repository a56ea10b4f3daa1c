"""A spoiled bundle: exit 2, one clear line, nothing written; whatever was spoiled, and whatever its digest says."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file, save_file

from napari_mmlnb.bundles.spec import SPEC_FILE
from tests.bundles.test_bundle import _repin
from tests.cli.test_bad_input import assert_refused

WEIGHTS, CALIBRATION, TOKENIZER, SELFTEST = (
    "weights.safetensors",
    "calibration.json",
    "tokenizer.json",
    "selftest.safetensors",
)


@pytest.fixture
def spoiled(model: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(model, tmp_path / "bundle"))


@pytest.fixture
def refused(mmlnb, small_slide, spoiled, tmp_path):
    """Classify with the spoiled bundle, which must be refused."""

    def check(says: str) -> None:
        out = tmp_path / "out"
        assert_refused(mmlnb("classify", small_slide, "--out", out, "--model", spoiled), says=says)
        assert not out.exists()

    return check


@pytest.mark.parametrize("name", [WEIGHTS, CALIBRATION, TOKENIZER, SELFTEST])
def test_a_missing_file(spoiled, refused, name):
    (spoiled / name).unlink()
    refused(name)


@pytest.mark.parametrize("name", [WEIGHTS, CALIBRATION, TOKENIZER, SELFTEST])
def test_an_altered_file(spoiled, refused, name):
    content = bytearray((spoiled / name).read_bytes())
    content[len(content) // 2] ^= 1
    (spoiled / name).write_bytes(content)
    refused("altered")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", SPEC_FILE),
        ("[1, 2", SPEC_FILE),
        ("just words", SPEC_FILE),
        ("schema: 99\nname: x", SPEC_FILE),
        ("\x00\x01", SPEC_FILE),
        (b"\xff\xfe\xff", SPEC_FILE),
    ],
)
def test_a_spec_that_is_none(spoiled, refused, text, says):
    (spoiled / SPEC_FILE).write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(says)


def test_a_spec_of_another_schema(spoiled, refused):
    spec = yaml.safe_load((spoiled / SPEC_FILE).read_text())
    spec["schema"] = 99
    (spoiled / SPEC_FILE).write_text(yaml.safe_dump(spec))
    refused("schema")


def test_a_spec_that_leads_out_of_its_folder_is_no_way_to_other_files(spoiled, refused):
    spec = yaml.safe_load((spoiled / SPEC_FILE).read_text())
    spec["encoder"]["source"] = "folder:../../etc"
    spec["encoder"]["name"] = "../../etc"
    (spoiled / SPEC_FILE).write_text(yaml.safe_dump(spec))
    refused("encoder")


@pytest.mark.parametrize("how", ["one missing", "another shape", "another type", "one too many"])
def test_weights_that_do_not_fit(spoiled, refused, how):
    tensors = load_file(spoiled / WEIGHTS)
    name = "system.image_head.weight"
    if how == "one missing":
        del tensors[name]
    elif how == "another shape":
        tensors[name] = tensors[name][:, :-1].contiguous()
    elif how == "another type":
        tensors[name] = (tensors[name] * 100).to(dtype=tensors[name].long().dtype)
    else:
        tensors["system.more"] = tensors[name].clone()
    save_file(tensors, spoiled / WEIGHTS)
    _repin(spoiled, WEIGHTS)
    # Numbers of another type are cast, as loading does; then the self-test finds them out.
    refused("self-test" if how == "another type" else "do not fit")


@pytest.mark.parametrize("name", [WEIGHTS, SELFTEST])
def test_a_pickle_is_never_run(spoiled, refused, tmp_path, name):
    trace = tmp_path / "ran"

    class Payload:
        def __reduce__(self):
            return Path.touch, (trace,)

    (spoiled / name).write_bytes(pickle.dumps(Payload()))
    _repin(spoiled, name)
    refused("untrained")
    assert not trace.exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1, 2", b"\xff\xff", b'{"temperature": {"image": NaN}}'])
@pytest.mark.parametrize("name", [CALIBRATION, TOKENIZER, SELFTEST])
def test_content_that_is_none_though_its_digest_is_right(spoiled, refused, name, content):
    (spoiled / name).write_bytes(content)
    _repin(spoiled, name)
    refused({CALIBRATION: CALIBRATION, TOKENIZER: TOKENIZER, SELFTEST: "self-test"}[name])


@pytest.mark.parametrize("how", ["missing", "another form", "another type"])
@pytest.mark.parametrize("name", ["pixels", "ids", "features", "fused_logits"])
def test_a_self_test_that_cannot_be_asked(spoiled, refused, name, how):
    stored = load_file(spoiled / SELFTEST)
    if how == "missing":
        del stored[name]
    elif how == "another form":
        stored[name] = stored[name][0]
    else:
        stored["pixels"] = stored["pixels"].float()
    save_file({key: tensor.contiguous() for key, tensor in stored.items()}, spoiled / SELFTEST)
    _repin(spoiled, SELFTEST)
    refused("self-test")
