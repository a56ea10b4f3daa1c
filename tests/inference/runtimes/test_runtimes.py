"""What every runtime of the registry must do, on an encoder that each of them can compute at once."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_mmlnb.inference.kept import kept_folder
from napari_mmlnb.inference.runtimes import openvino_cpu
from napari_mmlnb.inference.runtimes.openvino_cpu import OPENVINO_BFLOAT16, OPENVINO_FLOAT32
from napari_mmlnb.inference.runtimes.reference import MIN_COSINE, least_cosine, reference_features
from napari_mmlnb.inference.runtimes.registry import RUNTIMES
from napari_mmlnb.inference.runtimes.torch_gpu import GpuRuntime, page_locked
from tests.inference.runtimes.made import CPU, TILE_PX, small_encoder, tiles

USABLE = [kind for kind in RUNTIMES if not kind.refusal(CPU)]
LIMITS = {"float32": 1e-5, "bfloat16": 2e-2}


@pytest.mark.parametrize("kind", USABLE, ids=lambda kind: kind.name)
def test_a_runtime_gives_the_features_of_the_reference(kind):
    encoder, pixels = small_encoder(), tiles(11)
    runtime = kind.build(encoder, CPU, TILE_PX)
    features, reference = runtime.encode(pixels), reference_features(encoder, pixels)
    assert features.dtype == np.float32
    assert features.shape == reference.shape
    assert least_cosine(features, reference) >= MIN_COSINE
    np.testing.assert_allclose(features, reference, atol=LIMITS[kind.facts.precision], rtol=1e-2)
    assert runtime.identity["runtime"] == kind.name


@pytest.mark.parametrize("kind", USABLE, ids=lambda kind: kind.name)
def test_a_tile_gives_the_same_in_any_batch(kind):
    runtime = kind.build(small_encoder(), CPU, TILE_PX)
    pixels = tiles(13)
    whole = runtime.encode(pixels)
    single = np.concatenate([runtime.encode(pixels[i : i + 1]) for i in range(len(pixels))])
    tolerance = 0.0 if "openvino" in kind.name else LIMITS[kind.facts.precision]
    np.testing.assert_allclose(single, whole, atol=tolerance, rtol=tolerance)


class Network:
    """Stands for a compiled network; notes which threads ask it."""

    def __init__(self) -> None:
        self.asked_by: list[str] = []

    def input(self, _):
        return SimpleNamespace(shape=(openvino_cpu.PIECE, TILE_PX, TILE_PX, 3))

    def create_infer_request(self):
        return self

    def infer(self, inputs, *, share_inputs):
        assert share_inputs
        self.asked_by.append(threading.current_thread().name)
        return [np.zeros((len(inputs[0]), 16), np.float32)]


def test_openvino_is_called_by_one_thread_before_any_others_may():
    """Its Python layer, set up by two threads at once, waits for ever: one cold start in five stood still.

    Two real first calls at once do so only now and then, so what is asserted is that they cannot happen.
    """
    network = Network()
    runtime = openvino_cpu.OpenVinoRuntime(OPENVINO_FLOAT32.facts, small_encoder(), network, streams=2)
    assert network.asked_by == [threading.current_thread().name]
    assert runtime.encode(tiles(6)).shape == (6, 16)


@pytest.mark.parametrize("kind", USABLE, ids=lambda kind: kind.name)
def test_building_a_runtime_leaves_the_encoder_alone(kind):
    encoder, pixels = small_encoder(), tiles(3)
    before = reference_features(encoder, pixels)
    kind.build(encoder, CPU, TILE_PX).encode(pixels)
    np.testing.assert_array_equal(reference_features(encoder, pixels), before)
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}


@pytest.mark.parametrize("kind", list(RUNTIMES), ids=lambda kind: kind.name)
def test_a_runtime_says_which_device_it_does_not_serve(kind):
    assert "xpu" in kind.refusal(torch.device("xpu"))


def test_without_openvino_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(openvino_cpu.importlib.util, "find_spec", lambda name: None)
    assert "napari-mmlnb[cpu]" in OPENVINO_FLOAT32.refusal(CPU)


def test_a_processor_without_bfloat16_is_not_made_to_feign_it(monkeypatch):
    class Core:
        def get_property(self, *_):
            return ["FP32", "INT8"]

    pytest.importorskip("openvino")
    monkeypatch.setattr(openvino_cpu, "_core", Core)
    assert "bfloat16" in OPENVINO_BFLOAT16.refusal(CPU)
    assert not OPENVINO_FLOAT32.refusal(CPU)


def test_a_network_is_converted_once_and_again_when_its_files_are_damaged(monkeypatch, tmp_path):
    pytest.importorskip("openvino")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    encoder, pixels = small_encoder(), tiles(5)
    converted = []
    convert = openvino_cpu._converted
    monkeypatch.setattr(openvino_cpu, "_converted", lambda *args: converted.append(1) or convert(*args))
    first = OPENVINO_FLOAT32.build(encoder, CPU, TILE_PX).encode(pixels)
    np.testing.assert_array_equal(OPENVINO_FLOAT32.build(encoder, CPU, TILE_PX).encode(pixels), first)
    assert len(converted) == 1, "the second start finds what the first has made"
    for kind in ("runtimes/openvino-compiled", "runtimes/openvino-networks"):
        for file in kept_folder(kind).rglob("*.b*"):
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 0xFF
            file.write_bytes(data)
    np.testing.assert_array_equal(OPENVINO_FLOAT32.build(encoder, CPU, TILE_PX).encode(pixels), first)
    assert len(converted) == 2


def test_a_network_is_converted_again_when_the_code_around_it_has_changed(monkeypatch, tmp_path):
    pytest.importorskip("openvino")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    encoder = small_encoder()
    converted = []
    convert = openvino_cpu._converted
    monkeypatch.setattr(openvino_cpu, "_converted", lambda *args: converted.append(1) or convert(*args))
    for digest in ("one", "one", "other"):
        monkeypatch.setattr(openvino_cpu, "code_digest", lambda digest=digest: digest)
        OPENVINO_FLOAT32.build(encoder, CPU, TILE_PX)
    assert len(converted) == 2


def test_other_weights_are_never_mistaken_for_those_that_were_converted():
    pytest.importorskip("openvino")
    encoder, pixels = small_encoder(), tiles(4)
    before = OPENVINO_FLOAT32.build(encoder, CPU, TILE_PX).encode(pixels)
    with torch.no_grad():
        encoder.network.layers[0].weight *= 2
    after = OPENVINO_FLOAT32.build(encoder, CPU, TILE_PX).encode(pixels)
    assert not np.allclose(before, after)
    np.testing.assert_allclose(after, reference_features(encoder, pixels), atol=1e-5)


def test_a_graphics_card_gets_page_locked_memory(monkeypatch):
    asked = {}

    def empty(shape, **options):
        asked.update(options, shape=shape)
        return torch.zeros(shape, dtype=options["dtype"])

    monkeypatch.setattr(torch, "empty", empty)
    allocate = page_locked(torch.device("cuda"))
    assert allocate is not None
    assert allocate((2, 3)).shape == (2, 3)
    assert asked == {"dtype": torch.uint8, "pin_memory": True, "shape": (2, 3)}
    assert page_locked(torch.device("cpu")) is None


def test_memory_that_runs_out_on_a_card_changes_no_feature(monkeypatch):
    """The whole path of a card's runtime, played on the processor, which runs out of memory above three tiles."""
    encoder, pixels = small_encoder(), tiles(10)
    runtime = GpuRuntime(RUNTIMES.get("torch-float32").facts, encoder, CPU, TILE_PX, {"runtime": "torch-float32"})
    forward = runtime._network.forward

    def short_of_memory(batch):
        if len(batch) > 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return forward(batch)

    monkeypatch.setattr(runtime._network, "forward", short_of_memory)
    np.testing.assert_allclose(runtime.encode(pixels), reference_features(encoder, pixels), atol=1e-5)
