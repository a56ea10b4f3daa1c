"""Describing models from a hub: `mmlnb models fetch NAME@COMMIT` takes what is needed, and that describes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from napari_mmlnb.describe.base import EvidenceTile
from napari_mmlnb.describe.prompt import Generation
from napari_mmlnb.describe.registry import create_describer
from napari_mmlnb.describe.request import DescriberRequest
from napari_mmlnb.geometry import Region
from tests.bundles.hub_server import GOOD, NO_COMMIT, serve_hub
from tests.bundles.test_hub import CHILD
from tests.describe.tiny_vlm import qwen2_5_vl

NAME = f"smolvlm2_256m@{GOOD}"
REPOSITORY = "HuggingFaceTB/SmolVLM2-256M-Video-Instruct"
PICKLED = "HuggingFaceTB/SmolVLM2-500M-Video-Instruct"
NOT_WANTED = ("pytorch_model.bin", "modeling_own.py", "onnx/model.onnx", "README.md", ".gitattributes")

COMMANDS = {
    "without yes": ["fetch", NAME],
    "good": ["fetch", NAME, "--yes", "--json"],
    "again": ["fetch", NAME, "--yes", "--json"],
    "pickled": ["fetch", f"smolvlm2_500m@{GOOD}", "--yes"],
    "no commit": ["fetch", f"qwen2_5_vl_3b@{NO_COMMIT}", "--yes"],
    "not pinned": ["fetch", "qwen2_5_vl_7b", "--yes"],
    "a branch": ["fetch", "qwen2_5_vl_7b@main", "--yes"],
}


@dataclass(frozen=True)
class Visit:
    """What the commands printed, what was asked of the server, and the cache."""

    ended: dict[str, tuple[int, str, str]]
    gets: int
    cache: Path
    files: frozenset[str]


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Visit:
    made = qwen2_5_vl(tmp_path_factory.mktemp("made"))
    wanted = {path.name: path.read_bytes() for path in made.iterdir()}
    home = tmp_path_factory.mktemp("home")
    repositories = {REPOSITORY: wanted | dict.fromkeys(NOT_WANTED, b"not wanted"), PICKLED: {"config.json": b"{}"}}
    with serve_hub(b"", repositories) as server:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
        environment |= {
            "HF_ENDPOINT": server.url,
            "HF_HOME": str(home / "hf"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_STATE_HOME": str(home / "state"),
            "NO_PROXY": "127.0.0.1",
        }
        done = subprocess.run(
            [sys.executable, "-c", CHILD],
            input=json.dumps([["models", *arguments] for arguments in COMMANDS.values()]),
            capture_output=True,
            text=True,
            timeout=1800,
            env=environment,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    ended = {name: tuple(one) for name, one in zip(COMMANDS, json.loads(done.stdout), strict=True)}
    return Visit(ended, server.gets[GOOD], home / "cache", frozenset(wanted))


def test_licence_terms_memory_and_size_are_said_before_anything_is_fetched(visit: Visit) -> None:
    code, out, err = visit.ended["without yes"]
    assert code == 2
    assert f"mmlnb models fetch {NAME} --yes" in err
    for said in ("Apache-2.0", "Asks for:", "0.7 GB on a graphics card", f"https://huggingface.co/{REPOSITORY}", " MB"):
        assert said in out


def test_only_what_is_needed_is_fetched_and_once(visit: Visit) -> None:
    code, out, err = visit.ended["good"]
    assert code == 0, err
    told = json.loads(out)
    assert (told["name"], told["state"], told["revision"]) == (NAME, "fetched", GOOD)
    folder = Path(told["folder"])
    assert {path.name for path in folder.iterdir() if path.suffix != ".sha256"} == visit.files
    assert visit.gets == len(visit.files)
    assert json.loads(visit.ended["again"][1])["state"] == "already here"


def test_what_was_fetched_describes(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(visit.cache))
    describer = create_describer(NAME, DescriberRequest("cpu", generation=Generation(max_new_tokens=4)))
    tile = EvidenceTile(1, np.zeros((64, 64, 3), np.uint8), 0.5, Region(0.0, 0.0, 32.0, 32.0))
    assert list(describer.describe([tile]))[-1].complete


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pickled", "no weights as safetensors"),
        ("no commit", f"no revision {NO_COMMIT}"),
        ("not pinned", "qwen2_5_vl_7b@COMMIT"),
        ("a branch", "not a commit"),
    ],
)
def test_what_cannot_be_fetched_says_why(visit: Visit, name: str, said: str) -> None:
    code, _, err = visit.ended[name]
    assert (code, err.count("\n")) == (2, 1)
    assert said in err
