"""Whether a graphics card is in this machine that PyTorch cannot use, and what would mend that."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
_NVIDIA_DEVICES = Path("/dev")
_AMD_DRIVER = Path("/dev/kfd")
_GET_PYTORCH = "https://pytorch.org/get-started/locally"


@dataclass(frozen=True)
class Hardware:
    """What of a graphics card can be seen without PyTorch.

    Parameters
    ----------
    nvidia, amd, apple : bool
        Whose card or driver was found.
    """

    nvidia: bool = False
    amd: bool = False
    apple: bool = False


@dataclass(frozen=True)
class TorchBuild:
    """What PyTorch was built for, and what it can use.

    Parameters
    ----------
    cuda, hip : str, optional
        Versions that it was built for.
    mps : bool
        Whether it was built for Apple's cards.
    usable : tuple of str
        Kinds of devices that it can use now.
    """

    cuda: str | None
    hip: str | None
    mps: bool
    usable: tuple[str, ...]


def find_hardware() -> Hardware:
    """Look for cards; takes no time and starts nothing."""
    nvidia = (
        _NVIDIA_DRIVER.exists() or any(_NVIDIA_DEVICES.glob("nvidia[0-9]*")) or shutil.which("nvidia-smi") is not None
    )
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    return Hardware(nvidia=nvidia, amd=_AMD_DRIVER.exists(), apple=apple)


def torch_build() -> TorchBuild:
    """What this PyTorch is."""
    usable = [
        kind
        for kind, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available()))
        if there
    ]
    return TorchBuild(torch.version.cuda, torch.version.hip, torch.backends.mps.is_built(), tuple(usable))


def unusable_gpu(hardware: Hardware, build: TorchBuild) -> str:
    """What to tell a person whose card stays idle; empty where none does."""
    if build.usable:
        return ""
    if hardware.nvidia:
        return f"This machine has an NVIDIA graphics card, but {_nvidia(build)}"
    if hardware.amd:
        return f"This machine has an AMD graphics card, but {_amd(build)}"
    if hardware.apple:
        why = "this PyTorch is not built for it" if not build.mps else "this macOS is too old for it (12.3 is needed)"
        return f"This machine has an Apple graphics card, but {why}. See {_GET_PYTORCH}"
    return ""


def _amd(build: TorchBuild) -> str:
    if build.hip is None:
        return f"this PyTorch is not built for it (ROCm). Install one that is: {_GET_PYTORCH}"
    return f"PyTorch, built for ROCm {build.hip}, cannot use it: its driver is missing or too old"


def _nvidia(build: TorchBuild) -> str:
    if build.cuda is None:
        return f"this PyTorch is built for processors only. Install one with CUDA: {_GET_PYTORCH}"
    return (
        f"PyTorch, built for CUDA {build.cuda}, cannot use it: its driver is missing or too old, or the card is hidden "
        "(CUDA_VISIBLE_DEVICES) or not handed to this container. Look with: nvidia-smi"
    )
