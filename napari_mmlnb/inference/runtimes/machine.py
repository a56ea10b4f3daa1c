"""What the speed and the last digits of a machine depend on."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

import torch

_CPUINFO = Path("/proc/cpuinfo")
_NAMED = ("model name", "flags", "Features")


def usable_cores() -> int:
    """Cores that this process may use, which a container or a scheduler may have limited."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def processor() -> str:
    """The processor's kind and abilities, as one line; nothing that names the machine or its owner."""
    lines: dict[str, str] = {}
    try:
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            lines.setdefault(name.strip(), value.strip())
    except OSError:
        pass
    return " ".join([platform.system(), platform.machine(), platform.processor(), *(lines.get(n, "") for n in _NAMED)])


def device_name(device: torch.device) -> str:
    """The kind of a device: the card's model, or the processor's."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return processor()
