"""OpenVINO on the processor: the same network, compiled for this processor.

The network is converted once, normalisation included, so that it takes bytes as they lie in memory. What it was
converted to and what that was compiled to are kept, by everything that they depend on.

It computes pieces of a fixed number of tiles (the last one filled up), as many at a time as there are cores (eight at
most), each on cores of its own. So the features of a tile do not depend on the batch, nor on the tiles beside it, in
any digit; and a core that somebody else uses meanwhile slows down a piece and not all of them.
"""

from __future__ import annotations

import importlib.util
import queue
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_mmlnb.inference.code_version import code_digest
from napari_mmlnb.inference.kept import key_of, made_once
from napari_mmlnb.inference.runtimes.base import (
    CPU_BATCH,
    EncoderRuntime,
    FeatureArray,
    RuntimeFacts,
    wrong_device,
)
from napari_mmlnb.inference.runtimes.machine import processor, usable_cores
from napari_mmlnb.inference.runtimes.reference import plain
from napari_mmlnb.inference.runtimes.weights import facts_text, weights_digest
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.buffers import Allocate

PIECE = 4
MOST_STREAMS = 8
"""Each needs memory for what is between its layers; with more cores, several work on a piece."""
_NETWORK, _WEIGHTS, _COMPILED = "network.xml", "network.bin", "compiled.blob"
_OPENVINO_PRECISION: Mapping[str, str] = {"float32": "f32", "bfloat16": "bf16"}
_MISSING = "OpenVINO is not installed; install it with: pip install 'napari-mmlnb[cpu]'"


class OpenVinoRuntime:
    """A compiled network.

    Parameters
    ----------
    facts : RuntimeFacts
        Which precision.
    encoder : PatchEncoder
        What was compiled.
    compiled : openvino.CompiledModel
        Takes (PIECE, tile_px, tile_px, 3) uint8.
    streams : int
        How many pieces it computes at a time.
    """

    piece: int | None = PIECE
    batch: int = CPU_BATCH
    allocate: Allocate | None = None
    identity: Mapping[str, str]

    def __init__(self, facts: RuntimeFacts, encoder: PatchEncoder, compiled: Any, streams: int) -> None:
        self.facts = facts
        self.encoder = encoder
        self.identity = {
            "runtime": facts.name,
            "openvino": version("openvino"),
            "piece": str(PIECE),
            "machine": processor(),
        }
        self.streams = streams
        self._shape = tuple(compiled.input(0).shape)
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(streams):
            self._requests.put(compiled.create_infer_request())
        # OpenVINO's Python layer sets itself up during the first call, and two threads that make it at once wait for
        # each other for ever (a C++ static that needs Python's lock): the first one is made here, by one thread.
        self.encode(np.zeros(self._shape, np.uint8))

    def encode(self, pixels: RGB) -> FeatureArray:
        """See `EncoderRuntime`."""
        request = self._requests.get()
        try:
            parts = [self._piece(request, pixels[at : at + PIECE]) for at in range(0, len(pixels), PIECE)]
        finally:
            self._requests.put(request)
        return np.concatenate(parts)

    def _piece(self, request: Any, pixels: RGB) -> FeatureArray:
        count = len(pixels)
        if count < PIECE:
            filled = np.zeros(self._shape, np.uint8)
            filled[:count] = pixels
            pixels = filled
        features = request.infer({0: np.ascontiguousarray(pixels)}, share_inputs=True)[0]
        return np.array(features[:count], dtype=np.float32)


@dataclass(frozen=True)
class OpenVinoKind:
    """OpenVINO at one precision.

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
        wrong = wrong_device(self.facts, device)
        if wrong:
            return wrong
        if importlib.util.find_spec("openvino") is None:
            return _MISSING
        able = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if self.facts.precision == "bfloat16" and "BF16" not in able:
            return "this processor does not compute in bfloat16"
        return ""

    def build(self, encoder: PatchEncoder, device: torch.device, tile_px: int) -> EncoderRuntime:  # noqa: ARG002
        """See `RuntimeKind`."""
        network = {
            "weights": weights_digest(encoder),
            "facts": facts_text(encoder),
            "code": code_digest(),  # what is done around the network is converted with it
            "tile_px": tile_px,
            "piece": PIECE,
            "libraries": {name: version(name) for name in ("openvino", "torch", "timm")},
        }
        cores = usable_cores()
        streams = min(cores, MOST_STREAMS)
        properties = {
            "INFERENCE_PRECISION_HINT": _OPENVINO_PRECISION[self.facts.precision],
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": cores,
            "ENABLE_CPU_PINNING": False,  # the reader's threads need the same cores
        }
        compiled = _compiled(encoder, network, properties)
        return OpenVinoRuntime(self.facts, encoder, compiled, streams)


def _compiled(encoder: PatchEncoder, network: Mapping[str, object], properties: dict[str, Any]) -> Any:
    """The compiled network: kept, or compiled from the network that is kept, or from PyTorch's."""
    core = _core()
    fresh: list[Any] = []

    def make(folder: Path) -> None:
        fresh.append(core.compile_model(_network(encoder, network), "CPU", properties))
        (folder / _COMPILED).write_bytes(_bytes(fresh[0].export_model()))

    key = key_of({**network, **properties, "machine": processor()})
    folder = made_once("runtimes/openvino-compiled", key, make)
    if fresh:
        return fresh[0]
    if folder is None:
        return core.compile_model(_network(encoder, network), "CPU", properties)
    try:
        return core.import_model((folder / _COMPILED).read_bytes(), "CPU", properties)
    except (OSError, RuntimeError):  # whole, and refused all the same: a driver or a kernel that changed
        return core.compile_model(_network(encoder, network), "CPU", properties)


def _network(encoder: PatchEncoder, network: Mapping[str, object]) -> Any:
    """The network in OpenVINO's terms, before it is compiled."""
    fresh: list[Any] = []

    def make(folder: Path) -> None:
        import openvino  # noqa: PLC0415 - an extra

        fresh.append(_converted(encoder, int(str(network["tile_px"]))))
        openvino.save_model(fresh[0], folder / _NETWORK, compress_to_fp16=False)

    folder = made_once("runtimes/openvino-networks", key_of(network), make)
    if fresh:
        return fresh[0]
    if folder is None:
        return _converted(encoder, int(str(network["tile_px"])))
    return _core().read_model(folder / _NETWORK, folder / _WEIGHTS)


def _converted(encoder: PatchEncoder, tile_px: int) -> Any:
    import openvino  # noqa: PLC0415 - an extra

    pixels = torch.zeros((PIECE, tile_px, tile_px, 3), dtype=torch.uint8)
    with torch.inference_mode(), warnings.catch_warnings():
        # PyTorch warns of its tracer; OpenVINO's converter knows no other way that keeps these networks whole.
        warnings.simplefilter("ignore")
        # Precision is set when the network is compiled.
        traced = torch.jit.trace(plain(encoder), pixels, check_trace=False)  # type: ignore[no-untyped-call]
        return openvino.convert_model(traced, example_input=pixels, input=[tuple(pixels.shape)])


def _core() -> Any:
    import openvino  # noqa: PLC0415 - an extra

    return openvino.Core()


def _bytes(exported: Any) -> bytes:
    """What `export_model` gives, in any version."""
    return bytes(exported.getvalue() if hasattr(exported, "getvalue") else exported)


OPENVINO_FLOAT32 = OpenVinoKind(RuntimeFacts("openvino-float32", "float32", ("cpu",), "OpenVINO in float32"))
OPENVINO_BFLOAT16 = OpenVinoKind(RuntimeFacts("openvino-bfloat16", "bfloat16", ("cpu",), "OpenVINO in bfloat16"))
