"""Which device computes, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from napari_mmlnb.errors import RequestError, UnknownNameError

_AVAILABLE: dict[str, Callable[[], bool]] = {
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
    "cpu": lambda: True,
}


@dataclass(frozen=True)
class DeviceChoice:
    """A device and the reason for it, which the result records."""

    device: torch.device
    reason: str


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
        If it was asked for by name and is not usable here.
    """
    if name == "auto":
        found = next(kind for kind, available in _AVAILABLE.items() if available())
        return DeviceChoice(torch.device(found), "chosen: the fastest kind that PyTorch can use here")
    if name not in _AVAILABLE:
        raise UnknownNameError("device", name, ("auto", *_AVAILABLE))
    if not _AVAILABLE[name]():
        raise RequestError(f"PyTorch cannot use {name} on this machine.", "Use --device auto or --device cpu.")
    return DeviceChoice(torch.device(name), "asked for")
