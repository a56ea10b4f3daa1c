"""What computes: the processor, PyTorch, and a graphics card that is there but not used."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import psutil

from napari_mmlnb.cli.checks.finding import Check, Fact, Finding, State

LITTLE_BYTES = 3 * 2**30
"""A run takes 1.5 GB beside the model and the libraries."""
_ASKING_S = 5.0
_INSTALL = "See https://pytorch.org/get-started/locally for the command that installs PyTorch for this card"


def _examine() -> Iterator[Finding]:
    import torch

    from napari_mmlnb.inference.device import choose_device
    from napari_mmlnb.inference.runtimes.machine import usable_cores

    memory = psutil.virtual_memory()
    cores = usable_cores()
    little = memory.available < LITTLE_BYTES
    yield Finding(
        "processor",
        State.WARNING if little else State.OK,
        f"{cores} cores for this program; {memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GB memory free",
        "Close other programs: a run takes up to 3 GB of memory." if little else "",
        {"cores": cores, "memory_bytes": memory.total, "free_bytes": memory.available},
    )
    choice = choose_device()
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    yield Finding(
        "device",
        State.OK,
        f"{choice.device.type} ({choice.reason}); PyTorch {torch.__version__} built with {build}",
        facts={"device": choice.device.type, "torch": torch.__version__, "cuda": torch.version.cuda},
    )


def _examine_graphics() -> Iterator[Finding]:
    import torch

    from napari_mmlnb.inference.device import idle_card

    if torch.cuda.is_available():
        yield _cuda()
        return
    if torch.backends.mps.is_available():
        yield Finding("graphics card", State.OK, "Apple's, used through MPS")
        return
    idle = idle_card()
    if not idle:
        yield Finding("graphics card", State.ABSENT, "none found; the processor computes")
        return
    card = _named_by_its_driver()
    text = f"A CARD IS THERE AND NOT USED{f' ({card})' if card else ''}: {idle}"
    facts: dict[str, Fact] = {"present": True, "used": False}
    yield Finding("graphics card", State.WARNING, text, f"{_INSTALL}, or update its driver.", facts)


def _cuda() -> Finding:
    """Let the card compute something: being listed is not yet working."""
    import torch

    name = torch.cuda.get_device_name(0)
    try:
        ones = torch.ones(64, 64, device="cuda")
        works = float((ones @ ones).sum()) == 64.0**3
    except RuntimeError as error:
        works, name = False, f"{name} ({str(error).splitlines()[0]})"
    free, total = torch.cuda.mem_get_info(0) if works else (0, 0)
    facts = {"present": True, "used": works, "memory_bytes": total, "free_bytes": free}
    if not works:
        return Finding("graphics card", State.PROBLEM, f"{name} does not compute", f"{_INSTALL}.", facts)
    return Finding("graphics card", State.OK, f"{name}, {free / 2**30:.1f} of {total / 2**30:.1f} GB free", facts=facts)


def _named_by_its_driver() -> str:
    """The NVIDIA card's name and driver, or that the driver does not answer; empty where there is none to ask."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    query = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        asked = subprocess.run(query, capture_output=True, text=True, timeout=_ASKING_S, check=False)  # noqa: S603 - found on the path
    except (OSError, subprocess.TimeoutExpired):
        return "NVIDIA, whose driver does not answer"
    lines = [line.strip() for line in asked.stdout.splitlines() if line.strip()]
    if asked.returncode != 0 or not lines:
        return "NVIDIA, whose driver answers with an error"
    name, _, driver = lines[0].partition(",")
    return f"{name}, driver {driver.strip()}"


CHECK = Check("device", "Looking at the processor", _examine)
GRAPHICS = Check("graphics card", "Looking for a graphics card", _examine_graphics)
