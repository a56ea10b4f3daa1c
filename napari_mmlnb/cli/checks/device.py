"""What computes: the processor, PyTorch, and a graphics card that is there but not used."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from napari_mmlnb.cli.checks.finding import Check, Finding, State

LITTLE_BYTES = 3 * 2**30
"""A run takes 1.5 GB beside the model and the libraries."""
_ASKING_S = 5.0
_INSTALL = "See https://pytorch.org/get-started/locally for the command that installs PyTorch for this card"


@dataclass(frozen=True)
class Card:
    """A graphics card that the system knows of.

    Parameters
    ----------
    kind : str
        Its maker.
    text : str
        Its name and driver, as far as they are known.
    """

    kind: str
    text: str


def _examine() -> Iterator[Finding]:
    import torch

    from napari_mmlnb.inference.device import choose_device

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

    from napari_mmlnb.inference.device import choose_device

    if torch.cuda.is_available():
        yield _cuda()
        return
    if torch.backends.mps.is_available():
        yield Finding("graphics card", State.OK, "Apple's, used through MPS")
        return
    cards = present_cards()
    if not cards:
        # What a run would say; it takes less for a sign of a card than is asked for here.
        idle = choose_device().warning
        text = f"A CARD MAY BE THERE AND NOT BE USED: {idle}" if idle else "none found; the processor computes"
        yield Finding("graphics card", State.WARNING if idle else State.ABSENT, text, idle and f"{_INSTALL}.")
        return
    yield unusable(cards, torch.version.cuda or torch.version.hip or "")


def unusable(cards: tuple[Card, ...], built_with: str) -> Finding:
    """What to say of cards that are there while PyTorch uses none.

    Parameters
    ----------
    cards : tuple of Card
        What the system knows of.
    built_with : str
        The version of CUDA or ROCm that PyTorch was built with; empty where with none.
    """
    named = "; ".join(card.text for card in cards)
    if not built_with:
        why, remedy = "this PyTorch was built without support for it", f"{_INSTALL}."
    else:
        why = f"PyTorch, built with {built_with}, cannot use it: the driver is missing, too old or not running"
        remedy = f"Update the driver and start the machine again, or install an older build. {_INSTALL}."
    text = f"A CARD IS THERE AND NOT USED ({named}): {why}. Everything is computed on the processor, many times slower."
    return Finding("graphics card", State.WARNING, text, remedy, {"present": True, "used": False})


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


def usable_cores() -> int:
    """Cores that this process may run on, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):  # Linux only
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def present_cards() -> tuple[Card, ...]:
    """Graphics cards fit for computing that the system knows of, whether PyTorch can use them or not."""
    found = [_nvidia(), _amd(), _apple()]
    return tuple(card for card in found if card is not None)


def _nvidia() -> Card | None:
    tool = shutil.which("nvidia-smi")
    if tool:
        query = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
        try:
            asked = subprocess.run(query, capture_output=True, text=True, timeout=_ASKING_S, check=False)  # noqa: S603 - found on the path
        except (OSError, subprocess.TimeoutExpired):
            return Card("NVIDIA", "NVIDIA, whose driver does not answer")
        lines = [line.strip() for line in asked.stdout.splitlines() if line.strip()]
        if asked.returncode == 0 and lines:
            name, _, driver = lines[0].partition(",")
            return Card("NVIDIA", f"{name}, driver {driver.strip()}")
        if Path("/dev/nvidiactl").exists():
            return Card("NVIDIA", "NVIDIA, whose driver answers with an error")
    if Path("/dev/nvidia0").exists() or Path("/proc/driver/nvidia/version").exists():
        return Card("NVIDIA", "NVIDIA")
    return None


def _amd() -> Card | None:
    return Card("AMD", "AMD") if Path("/dev/kfd").exists() else None


def _apple() -> Card | None:
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    return Card("Apple", "Apple's") if apple else None


CHECK = Check("device", "Looking at the processor", _examine)
GRAPHICS = Check("graphics card", "Looking for a graphics card", _examine_graphics)
