"""Whether a describing model fits, asked before it is loaded: afterwards the machine may already be at a standstill."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import psutil

from napari_mmlnb.errors import DescriberMemoryError

Precision = Literal["float32", "bfloat16", "float16", "4-bit"]

BYTES_A_WEIGHT: dict[Precision, float] = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "4-bit": 0.75}
"""4-bit: half a byte, and what stays in halves (embeddings, norms, scales)."""

WORKING_SHARE = 1.2
"""Activations and the keys and values of the words so far, in shares of the weights."""
WORKING_BYTES = 64_000_000
"""And what does not depend on the weights."""

FOUR_BIT_NEEDS = ("bitsandbytes", "accelerate")
"""Packages without which transformers loads nothing in 4 bits."""

_RAM = "memory"
_CARD = "memory of the graphics card"


def memory_needed(weights: int, precision: Precision) -> int:
    """Bytes for so many weights at work, an estimate."""
    return int(weights * BYTES_A_WEIGHT[precision] * WORKING_SHARE) + WORKING_BYTES


def memory_available(device: str) -> int:
    """Free bytes where a model would be loaded.

    Of a card: also what PyTorch holds for itself and nobody uses, such as after an earlier model was freed; the card
    counts that as taken.

    Parameters
    ----------
    device : str
        "cpu", "cuda" or "mps"; the latter shares the machine's memory.
    """
    if device.startswith("cuda"):
        import torch  # noqa: PLC0415 - listing describers does not load it

        unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return int(torch.cuda.mem_get_info()[0]) + max(0, unused)
    return min(int(psutil.virtual_memory().available), _container_room())


def choose_precision(
    describer: str, weights: int, *, device: str, half: Precision, available: int, four_bit_lacks: tuple[str, ...]
) -> Precision:
    """The finest precision of the device that fits.

    Parameters
    ----------
    describer : str
        For the error.
    weights : int
        How many.
    device : str
        A processor computes in float32; a graphics card in halves, else in 4 bits where that works.
    half : {"bfloat16", "float16"}
        What the card computes in.
    available : int
        Free bytes.
    four_bit_lacks : tuple of str
        Which of `FOUR_BIT_NEEDS` are not installed; 4 bits also need CUDA.

    Raises
    ------
    DescriberMemoryError
        If none fits; gives what the smallest possible one needs, and what there is.
    """
    possible: tuple[Precision, ...] = ("float32",) if device == "cpu" else (half,)
    if not four_bit_lacks and device.startswith("cuda"):
        possible = (*possible, "4-bit")
    for precision in possible:
        if memory_needed(weights, precision) <= available:
            return precision
    remedy = "Close other programs, choose a smaller model, or use a server that runs it (--describer server)."
    if device.startswith("cuda") and four_bit_lacks:
        small = memory_needed(weights, "4-bit")
        remedy += f" With {' and '.join(four_bit_lacks)} installed, it would need about {small / 1e9:.2g} GB in 4 bits."
    where = _CARD if device.startswith("cuda") else _RAM
    raise DescriberMemoryError(describer, memory_needed(weights, possible[-1]), available, where, remedy)


def check_passage(describer: str, weights: int, precision: Precision, available: int) -> None:
    """Whether weights fit into the machine's memory, through which they go to a card where nothing spares them that.

    Parameters
    ----------
    describer : str
        For the error.
    weights : int
        How many.
    precision : str
        That they are loaded in.
    available : int
        Free bytes of the machine's memory.

    Raises
    ------
    DescriberMemoryError
        If they do not.
    """
    needed = int(weights * BYTES_A_WEIGHT[precision]) + WORKING_BYTES
    if needed > available:
        remedy = "It goes through there to the graphics card: close other programs, or install accelerate, which loads "
        raise DescriberMemoryError(describer, needed, available, _RAM, remedy + "it onto the card part by part.")


def _container_room() -> int:
    """What the container still allows (control groups, version 2); no limit where there is none."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
        cached = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return 2**62
    return max(0, limit - used + int(cached.get("inactive_file", 0)))
