"""The server describer against a real server that others wrote: `transformers serve`, with a tiny model of our own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from napari_mmlnb.describe.base import EvidenceTile
from napari_mmlnb.describe.prompt import DEFAULT_PROMPT, Generation
from napari_mmlnb.describe.registry import OWN, create_describer
from napari_mmlnb.describe.request import DescriberRequest
from napari_mmlnb.errors import ServerError
from napari_mmlnb.geometry import Region
from tests.describe import tiny_vlm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(find_spec(name) is None for name in ("fastapi", "openai", "uvicorn")),
        reason="transformers[serving] is not installed",
    ),
]

GREEDY = Generation(temperature=0, repetition_penalty=1, max_new_tokens=40)
STARTS = 600.0
"""Seconds that a busy machine may take to import all that the server needs."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_vlm.qwen2_5_vl(tmp_path_factory.mktemp("qwen"))
    pairs = [
        (np.full((64, 64, 3), value, np.uint8), text)
        for value, text in zip((60, 225), tiny_vlm.CORPUS[1:3], strict=True)
    ]
    assert tiny_vlm.teach(folder, pairs, DEFAULT_PROMPT, lr=3e-3) < 0.05
    return folder


@pytest.fixture(scope="module")
def address(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("home")
    (home / "hub").mkdir()
    command = ["-m", "transformers.cli.transformers", "serve", str(model), "--host", "127.0.0.1", "--port", str(port)]
    with (home / "log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            [sys.executable, *command, "--device", "cpu"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"},
        )
        try:
            end = time.monotonic() + STARTS
            while not _answers(port):
                assert server.poll() is None, (home / "log").read_text(encoding="utf-8")[-2000:]
                assert time.monotonic() < end, "the server does not start"
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            server.wait(30)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def tiles() -> list[EvidenceTile]:
    return [
        EvidenceTile(rank, np.full((64, 64, 3), value, np.uint8), 0.5, Region(0.0, 0.0, 32.0, 32.0))
        for rank, value in enumerate((60, 225), 1)
    ]


def test_it_says_what_the_same_model_says_in_this_process(model: Path, address: str) -> None:
    request = DescriberRequest("cpu", generation=GREEDY, server=address, server_model=str(model), folder=model)
    said = list(create_describer("server", request).describe(tiles()))
    here = [d for d in create_describer(OWN, request).describe(tiles()) if d.complete]
    assert [d for d in said if d.complete] == here
    assert all(d.sentences for d in here)
    assert any(not d.complete for d in said)  # it came sentence by sentence


def test_a_model_that_it_does_not_have_is_one_clear_error(address: str) -> None:
    request = DescriberRequest(server=address, server_model="/no/such/model")
    with pytest.raises(ServerError):
        list(create_describer("server", request).describe(tiles()))
