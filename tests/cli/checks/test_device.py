"""A graphics card that is there and not used is said loudly, whatever keeps it from being used."""

from __future__ import annotations

import os

import pytest
import torch

from napari_mmlnb.cli.checks import device
from napari_mmlnb.cli.checks.finding import State, findings_of


@pytest.fixture
def no_gpu_for_torch(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def nvidia_smi(monkeypatch, tmp_path):
    """Put a tool of that name on the path, which is a shell script."""

    def put(script: str) -> None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return put


@pytest.mark.parametrize(("cuda", "says"), [(None, "built for processors only"), ("13.0", "driver")])
def test_a_card_that_is_not_used_is_loud_and_says_why(no_gpu_for_torch, nvidia_smi, monkeypatch, cuda, says):
    nvidia_smi("echo 'NVIDIA RTX A4000, 470.82.01'")
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.version, "hip", None)
    (found,) = findings_of(device.GRAPHICS)
    assert found.state is State.WARNING
    assert "NOT USED" in found.text
    assert "NVIDIA RTX A4000, driver 470.82.01" in found.text
    assert says in found.text
    assert "pytorch.org" in found.remedy


def test_a_driver_that_hangs_is_a_card_all_the_same(no_gpu_for_torch, nvidia_smi, monkeypatch):
    nvidia_smi("exec sleep 30")
    monkeypatch.setattr(device, "_ASKING_S", 0.3)
    (found,) = findings_of(device.GRAPHICS)
    assert found.state is State.WARNING
    assert "does not answer" in found.text


@pytest.mark.parametrize(("idle", "state"), [("a card stays idle", State.WARNING), ("", State.ABSENT)])
def test_it_says_of_a_card_what_a_run_would_say(no_gpu_for_torch, monkeypatch, idle, state):
    monkeypatch.setattr("napari_mmlnb.inference.device.idle_card", lambda: idle)
    monkeypatch.setattr(device.shutil, "which", lambda _tool: None)
    (found,) = findings_of(device.GRAPHICS)
    assert found.state is state
    assert idle in found.text
    assert bool(found.remedy) == bool(idle)


def test_a_card_that_is_listed_but_does_not_compute_is_a_problem(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _index: "RTX")

    def broken(*_arguments, **_options):
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nmore")

    monkeypatch.setattr(torch, "ones", broken)
    (found,) = findings_of(device.GRAPHICS)
    assert found.state is State.PROBLEM
    assert "no kernel image" in found.text


def test_little_memory_is_a_warning(monkeypatch):
    class Memory:
        available, total = 2**30, 4 * 2**30

    monkeypatch.setattr(device.psutil, "virtual_memory", Memory)
    found = {finding.name: finding for finding in findings_of(device.CHECK)}
    assert found["processor"].state is State.WARNING
    assert "1.0 of 4.0 GB" in found["processor"].text
