"""PyTorch on the processor: float32, the reference, and bfloat16 with channels last."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from napari_mmlnb.inference.runtimes.base import (
    CPU_BATCH,
    EncoderRuntime,
    FeatureArray,
    RuntimeFacts,
    wrong_device,
)
from napari_mmlnb.inference.runtimes.machine import device_name
from napari_mmlnb.inference.runtimes.torch_gpu import GpuRuntime, own_copy
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.buffers import Allocate

_CPU, _ALL = ("cpu",), ("cpu", "cuda", "mps")


def torch_identity(facts: RuntimeFacts, device: torch.device) -> Mapping[str, str]:
    """What PyTorch's last digits depend on."""
    return {"runtime": facts.name, "torch": torch.__version__, "device": device.type, "machine": device_name(device)}


class TorchRuntime:
    """A network as PyTorch computes it on the processor; PyTorch's own threads share each call.

    Parameters
    ----------
    facts : RuntimeFacts
        Which precision.
    encoder : PatchEncoder
        The encoder; it is left as it is.
    """

    streams: int = 1
    piece: int | None = None
    batch: int = CPU_BATCH
    allocate: Allocate | None = None

    def __init__(self, facts: RuntimeFacts, encoder: PatchEncoder) -> None:
        self.facts = facts
        self.encoder = encoder
        self.identity = torch_identity(facts, torch.device("cpu"))
        self._half = facts.precision == "bfloat16"
        # oneDNN's convolutions want the channels innermost in bfloat16; a copy, since others use the encoder too.
        self._network = own_copy(encoder).to(memory_format=torch.channels_last) if self._half else encoder

    def encode(self, pixels: RGB) -> FeatureArray:
        """See `EncoderRuntime`."""
        precision: Any = torch.autocast("cpu", dtype=torch.bfloat16) if self._half else nullcontext()
        with torch.inference_mode(), precision:
            features: FeatureArray = self._network(torch.from_numpy(pixels)).float().numpy()
        return features


@dataclass(frozen=True)
class TorchKind:
    """PyTorch at one precision.

    Parameters
    ----------
    facts : RuntimeFacts
        What is known of it.
    """

    facts: RuntimeFacts

    @property
    def name(self) -> str:
        """As in `facts`."""
        return self.facts.name

    def refusal(self, device: torch.device) -> str:
        """See `RuntimeKind`."""
        if self.facts.precision == "bfloat16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
            return "this card does not compute in bfloat16"
        return wrong_device(self.facts, device)

    def build(self, encoder: PatchEncoder, device: torch.device, tile_px: int) -> EncoderRuntime:
        """See `RuntimeKind`."""
        if device.type == "cpu":
            return TorchRuntime(self.facts, encoder)
        return GpuRuntime(self.facts, encoder, device, tile_px, torch_identity(self.facts, device))


TORCH_FLOAT32 = TorchKind(
    RuntimeFacts("torch-float32", "float32", _ALL, "PyTorch in float32: the reference that the others are held against")
)
TORCH_BFLOAT16 = TorchKind(
    RuntimeFacts("torch-bfloat16", "bfloat16", _ALL, "PyTorch in bfloat16 with channels last (autocast)")
)
TORCH_FLOAT16 = TorchKind(
    RuntimeFacts("torch-float16", "float16", ("cuda", "mps"), "PyTorch in float16 with channels last (autocast)")
)
