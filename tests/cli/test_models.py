"""`mmlnb models list` and `check`; `fetch` is tested with the hub, in tests/bundles/test_hub.py."""

from __future__ import annotations

import json

import pytest

from napari_mmlnb.bundles.spec import read_spec
from napari_mmlnb.cli.models import checked
from napari_mmlnb.describe.describing_facts import DescribingFacts
from napari_mmlnb.describe.registry import describers
from napari_mmlnb.errors import BundleError
from napari_mmlnb.inference import bundle_runtime
from napari_mmlnb.inference.runtimes.registry import RUNTIMES
from napari_mmlnb.models.encoders.registry import ENCODERS, UNSUPPORTED
from tests.bundle_factory import make_bundle


def test_the_list_as_json(mmlnb):
    ended = mmlnb("models", "list", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    listed = json.loads(ended.stdout)
    assert [row["name"] for row in listed["bundles"]] == ["nb-phantom"]
    assert [row["name"] for row in listed["describers"]] == [facts.name for facts in describers()]
    encoders = {row["name"]: row for row in listed["encoders"]}
    assert list(encoders) == [*ENCODERS.names, *UNSUPPORTED.names]
    lite, uni = encoders["efficientnet_lite0"], encoders["uni"]
    assert (lite["here"], lite["gated"], lite["licence"]) == (True, False, "Apache-2.0")
    assert (uni["gated"], uni["dimension"], uni["source"]) == (True, 1024, "hub:MahmoodLab/UNI")
    assert encoders["vit_small"]["revision"] == "not pinned"
    assert not encoders["hibou_l"]["supported"]


def test_the_list_for_people(mmlnb):
    lines = {line.split()[1]: line for line in mmlnb("models", "list").stdout.splitlines()}
    assert " here " in lines["efficientnet_lite0"]
    assert " open " in lines["efficientnet_lite0"]
    assert " gated " in lines["virchow2"]
    assert "needs @COMMIT" in lines["vit_large"]
    assert "unsupported" in lines["titan"]
    assert "never runs" in lines["titan"]


def test_checking_an_encoder(mmlnb):
    facts = json.loads(mmlnb("models", "check", "efficientnet_lite0", "--device", "cpu", "--json").stdout)
    assert facts["kind"] == "encoder"
    assert (facts["dimension"], facts["device"], facts["precision"]) == (1584, "cpu", "float32")
    assert facts["sha256"] == ENCODERS.get("efficientnet_lite0").sha256


def test_checking_a_bundle_runs_its_self_test(mmlnb, model):
    ended = mmlnb("models", "check", model, "--device", "cpu")
    assert ended.returncode == 0
    rows = dict(line.split(maxsplit=1) for line in ended.stdout.splitlines() if not line.startswith("input px"))
    assert (rows["kind"], rows["encoder"], rows["dimension"]) == ("bundle", "efficientnet_lite0", "1584")
    assert rows["licence"] == "BSD-3-Clause"  # the bundle's, not its encoder's
    assert rows["runtime"] in RUNTIMES.names


def test_checking_a_bundle_asks_what_would_compute_even_if_it_has_passed_before(model, monkeypatch):
    assert checked(model, "cpu")["runtime"] in RUNTIMES.names
    monkeypatch.setattr(bundle_runtime, "selftest_failure", lambda *args, **kwargs: "The self-test fails.")
    with pytest.raises(BundleError, match="The self-test fails"):
        checked(model, "cpu")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "nonesuch"), "no encoder called 'nonesuch'"),
        (("check", "conch_v1_5"), "never runs"),
        (("check", "vit_small"), "vit_small@COMMIT"),
        (("fetch", "nonesuch"), "no encoder called 'nonesuch'"),
        (("fetch", "efficientnet_lite0"), "not on the hub"),
        (("fetch", "uni@main"), "not a commit"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(mmlnb, arguments, said):
    ended = mmlnb("models", *arguments)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert said in ended.stderr


def test_attaching_a_fine_tuned_model_takes_its_question_and_licence_along(mmlnb, tmp_path):
    bundle, tuned = tmp_path / "bundle", tmp_path / "tuned"
    make_bundle(bundle)
    tuned.mkdir()
    (tuned / "config.json").write_text("{}")
    (tuned / "model.safetensors").write_bytes(b"weights")
    ended = mmlnb("models", "attach", bundle, tuned, "--name", "nb-vlm")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "--licence" in ended.stderr
    DescribingFacts(
        base="b", base_sha256="0", licence="apache-2.0", prompt="What lies here?", image_px=256
    ).write(tuned)  # fmt: skip
    ended = mmlnb("models", "attach", bundle, tuned, "--name", "nb-vlm")
    assert "nb-vlm (apache-2.0) is now the describing model" in ended.stdout
    describing = read_spec(bundle).describing
    assert (describing.licence, describing.prompt) == ("apache-2.0", "What lies here?")
    mmlnb("models", "attach", bundle, tuned, "--name", "nb-vlm", "--prompt", "Or else?", "--steady")
    describing = read_spec(bundle).describing
    assert (describing.prompt, describing.generation.temperature) == ("Or else?", 0)
