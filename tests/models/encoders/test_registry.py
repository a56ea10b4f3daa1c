"""What the table of encoders says is held against the networks themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.models.encoders.registry import ENCODERS, UNSUPPORTED

EVERY = pytest.mark.parametrize("facts", ENCODERS, ids=lambda facts: facts.name)
TIMM = [facts for facts in ENCODERS if facts.library == "timm"]


@EVERY
def test_the_facts_are_whole(facts):
    assert re.fullmatch(r"(package|hub):[\w./-]+", facts.source)
    assert facts.licence
    assert facts.summary.endswith(".")
    assert re.fullmatch(r"([0-9a-f]{40})?", facts.revision)
    assert re.fullmatch(r"([0-9a-f]{64})?", facts.sha256)
    assert facts.input_px == 224
    assert all(0 < value < 1 for value in (*facts.mean, *facts.std))


@EVERY
def test_a_digest_is_known_only_together_with_a_revision(facts):
    if facts.source.startswith("hub:") and facts.sha256:
        assert facts.revision


@pytest.mark.parametrize("facts", TIMM, ids=lambda facts: facts.name)
def test_the_network_gives_the_promised_dimension(facts):
    # On torch's meta device even networks of gigabytes are built and run at once, without numbers.
    with torch.device("meta"):
        encoder = PatchEncoder(facts)
        vectors = encoder(torch.zeros(2, 224, 224, 3, dtype=torch.uint8))
    assert vectors.shape == (2, facts.dimension)


@pytest.mark.parametrize("facts", [f for f in TIMM if f.size], ids=lambda facts: facts.name)
def test_the_network_is_as_large_as_the_published_file(facts):
    with torch.device("meta"):
        network = PatchEncoder(facts).network
    tensors = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    # What is beyond the numbers is the file's own table of names: some hundred bytes a tensor.
    assert 0 < facts.size - tensors < 450 * len(network.state_dict())


def test_encoders_of_transformers_need_their_config_too():
    assert ENCODERS.get("midnight").files == ("config.json", "model.safetensors")
    assert ENCODERS.get("uni").files == ("pytorch_model.bin",)


@EVERY
def test_the_reference_says_the_same(facts):
    page = Path(__file__).parents[3] / "docs" / "reference" / "encoders.md"
    (row,) = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{facts.name}` |")]
    _, weights, commit, vector, _, scale, licence, gated = (cell.strip() for cell in row.strip("|").split("|"))
    assert facts.source.partition(":")[2] in weights
    pinned = f"`{facts.revision}`" if facts.revision else "not pinned: must be given"
    assert commit == (pinned if facts.repository else "(with the program)")
    assert int(vector) == facts.dimension
    assert scale == ("none" if not facts.um_per_px else ", ".join(f"{value:g}" for value in facts.um_per_px))
    assert licence == facts.licence
    assert gated.startswith("yes" if facts.gated else "no")


def test_an_unsupported_encoder_says_why_and_is_not_in_the_table():
    assert "conch_v1_5" in UNSUPPORTED
    for refused in UNSUPPORTED:
        assert refused.name not in ENCODERS
        assert refused.reason.endswith(".")
