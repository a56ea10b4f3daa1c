"""PyTorch on a graphics card: copies beside computing, batches that fill the card and no more."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

from napari_mmlnb.inference.runtimes.base import FeatureArray, RuntimeFacts
from napari_mmlnb.inference.runtimes.halving import LARGEST, Halving, find_batch
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.buffers import Allocate

_DTYPES: Mapping[str, torch.dtype] = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def page_locked(device: torch.device) -> Allocate | None:
    """What makes the arrays for tiles that go to a device: page-locked memory for CUDA, nothing special elsewhere.

    A GPU copies from page-locked memory on its own, while the processor goes on.
    """
    if device.type != "cuda":
        return None
    return lambda shape: torch.empty(shape, dtype=torch.uint8, pin_memory=True).numpy()


def own_copy(encoder: PatchEncoder) -> PatchEncoder:
    """The same encoder, to be moved and laid out at will: others use the one that was given."""
    return PatchEncoder(encoder.facts, copy.deepcopy(encoder.network)).eval()


class GpuRuntime:
    """A network on CUDA or MPS.

    Two callers at a time, each with a stream of its own: while one computes, the other's tiles are copied. The batch is
    found by trial when it is built; memory that runs out later halves the calls, not the result.

    Parameters
    ----------
    facts : RuntimeFacts
        Which precision: float32 as it is, else autocast.
    encoder : PatchEncoder
        The encoder; it is copied to the device and left as it is.
    device : torch.device
        A "cuda" or "mps" device.
    tile_px : int
        Side of the tiles that will come.
    identity : mapping
        What the last digits depend on.
    """

    streams: int = 2
    piece: int | None
    batch: int

    def __init__(
        self,
        facts: RuntimeFacts,
        encoder: PatchEncoder,
        device: torch.device,
        tile_px: int,
        identity: Mapping[str, str],
    ) -> None:
        self.facts = facts
        self.encoder = encoder
        self.identity = identity
        self.allocate = page_locked(device)
        self._device = device
        self._dtype = _DTYPES.get(facts.precision)
        self._network = own_copy(encoder).to(device).to(memory_format=torch.channels_last)
        self._lanes = threading.local()
        self._halving = Halving(LARGEST, self._give_back)
        self.batch = find_batch(lambda batch: self._rate(batch, tile_px))
        self.piece = self.batch
        self._halving.piece = self.batch
        self._give_back()

    def encode(self, pixels: RGB) -> FeatureArray:
        """See `EncoderRuntime`."""
        return self._halving.run(pixels, self._compute)

    def _compute(self, pixels: RGB) -> FeatureArray:
        precision: Any = nullcontext() if self._dtype is None else torch.autocast(self._device.type, dtype=self._dtype)
        with torch.inference_mode(), precision, self._lane():
            on_device = torch.from_numpy(pixels).to(self._device, non_blocking=self.allocate is not None)
            features: FeatureArray = self._network(on_device).float().cpu().numpy()
        return features

    @contextmanager
    def _lane(self) -> Iterator[None]:
        """The calling thread's own stream, where the device has streams."""
        if self._device.type != "cuda":
            yield
            return
        stream = getattr(self._lanes, "stream", None)
        if stream is None:
            stream = self._lanes.stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(stream):
            yield

    def _rate(self, batch: int, tile_px: int) -> float:
        pixels = np.full((batch, tile_px, tile_px, 3), 200, np.uint8)
        self._compute(pixels)
        started = time.perf_counter()
        self._compute(pixels)
        return batch / (time.perf_counter() - started)

    def _give_back(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        elif self._device.type == "mps":
            torch.mps.empty_cache()
