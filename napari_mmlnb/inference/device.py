"""Which device computes, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from napari_mmlnb.errors import RequestError, UnknownNameError
from napari_mmlnb.inference.gpu_presence import find_hardware, torch_build, unusable_gpu

_AVAILABLE: dict[str, Callable[[], bool]] = {
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
    "cpu": lambda: True,
}


@dataclass(frozen=True)
class DeviceChoice:
    """A device and the reason for it, which the result records.

    Parameters
    ----------
    device : torch.device
        Where to compute.
    reason : str
        Why there.
    warning : str
        What a person must be told at once: that a graphics card stays idle, and what would mend it. Mostly empty.
    """

    device: torch.device
    reason: str
    warning: str = ""


def choose_device(name: str = "auto") -> DeviceChoice:
    """Pick a device.

    Parameters
    ----------
    name : str
        "auto" takes the first of CUDA, MPS and CPU that works; or one of them by name.

    Raises
    ------
    UnknownNameError
        If there is no such kind of device.
    RequestError
        If it was asked for by name and is not usable here; says what would mend that, where a card is there.
    """
    if name == "auto":
        found = next(kind for kind, available in _AVAILABLE.items() if available())
        warning = idle_card() if found == "cpu" else ""
        return DeviceChoice(torch.device(found), warning or _AUTO_REASONS[found], warning)
    if name not in _AVAILABLE:
        raise UnknownNameError("device", name, ("auto", *_AVAILABLE))
    if not _AVAILABLE[name]():
        why = idle_card() or f"PyTorch cannot use {name} on this machine."
        raise RequestError(f"The device {name} is not usable. {why}", "Else use --device auto or --device cpu.")
    return DeviceChoice(torch.device(name), "asked for")


def idle_card() -> str:
    """What is to be said of a card in this machine that cannot be used; empty where there is none."""
    return unusable_gpu(find_hardware(), torch_build())


_AUTO_REASONS = {
    "cuda": "chosen: PyTorch can use a graphics card (CUDA)",
    "mps": "chosen: PyTorch can use the graphics card (MPS)",
    "cpu": "chosen: no graphics card was found",
}
