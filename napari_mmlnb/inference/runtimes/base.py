"""What every encoder runtime is: bytes of tiles in, features out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch

from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.buffers import Allocate

FeatureArray = npt.NDArray[np.float32]
Precision = Literal["float32", "bfloat16", "float16"]

CPU_BATCH = 32
"""Tiles that are read at once where the processor computes: more gain nothing there."""


@dataclass(frozen=True)
class RuntimeFacts:
    """What is known of a runtime before it is built.

    Parameters
    ----------
    name : str
        LIBRARY-PRECISION, as `--runtime` and the result name it.
    precision : {"float32", "bfloat16", "float16"}
        What the network computes in; features are float32 in any case.
    devices : tuple of str
        Kinds of devices that it serves.
    summary : str
        One line for a person.
    """

    name: str
    precision: Precision
    devices: tuple[str, ...]
    summary: str


class EncoderRuntime(Protocol):
    """An encoder that is ready to compute on one device.

    Attributes
    ----------
    facts : RuntimeFacts
        Which kind it is.
    encoder : PatchEncoder
        Whose features they are; on the CPU, where the bundle left it.
    identity : mapping of str to str
        All that the last digits of a feature depend on, beside the encoder and this program's code.
    streams : int
        How many callers `encode` serves at a time; each waits without using a core of its own.
    piece : int or None
        Tiles that `encode` likes to get in a call; None for as many as there are.
    batch : int
        Tiles that the reader should give at once.
    allocate : callable or None
        Makes the arrays that tiles are read into, where ordinary memory will not do.
    """

    facts: RuntimeFacts
    encoder: PatchEncoder
    identity: Mapping[str, str]
    streams: int
    piece: int | None
    batch: int
    allocate: Allocate | None

    def encode(self, pixels: RGB) -> FeatureArray:
        """Encode tiles.

        Parameters
        ----------
        pixels : ndarray
            (B, H, W, 3) uint8 RGB, B at least 1.

        Returns
        -------
        ndarray
            (B, F) float32. May hold values that are not finite: whoever asked must look.
        """
        ...


class RuntimeKind(Protocol):
    """One way to compute, found by name."""

    @property
    def name(self) -> str:
        """As in `facts`."""
        ...

    @property
    def facts(self) -> RuntimeFacts:
        """What is known of it."""
        ...

    def refusal(self, device: torch.device) -> str:
        """Why it cannot be used on a device of this machine, and what would mend that; empty where it can."""
        ...

    def build(self, encoder: PatchEncoder, device: torch.device, tile_px: int) -> EncoderRuntime:
        """Make an encoder ready for tiles of `tile_px` pixels a side.

        Raises
        ------
        Exception
            Whatever the library says that cannot do it: not every network can be computed by every library.
        """
        ...


def wrong_device(facts: RuntimeFacts, device: torch.device) -> str:
    """A refusal where the device is of a kind that a runtime does not serve; else empty."""
    return "" if device.type in facts.devices else f"it does not compute on {device.type}"
