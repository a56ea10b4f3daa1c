from __future__ import annotations

import pytest
import torch

from napari_mmlnb.errors import RequestError
from napari_mmlnb.inference import device
from napari_mmlnb.inference.device import choose_device
from napari_mmlnb.inference.gpu_presence import Hardware, TorchBuild, unusable_gpu

CPU_ONLY = TorchBuild(cuda=None, hip=None, mps=False, usable=())
WITH_CUDA = TorchBuild(cuda="13.0", hip=None, mps=False, usable=())


@pytest.mark.parametrize(
    ("hardware", "build", "said"),
    [
        (Hardware(nvidia=True), CPU_ONLY, "built for processors only. Install one with CUDA"),
        (Hardware(nvidia=True), WITH_CUDA, "driver is missing or too old"),
        (Hardware(amd=True), WITH_CUDA, "ROCm"),
        (Hardware(amd=True), TorchBuild(cuda=None, hip="6.4", mps=False, usable=()), "ROCm 6.4, cannot use it"),
        (Hardware(apple=True), CPU_ONLY, "not built for it"),
        (Hardware(apple=True), TorchBuild(None, None, True, ()), "macOS"),
    ],
)
def test_a_card_that_stays_idle_is_named_with_what_mends_it(hardware, build, said):
    assert said in unusable_gpu(hardware, build)


@pytest.mark.parametrize(
    ("hardware", "build"),
    [(Hardware(), CPU_ONLY), (Hardware(nvidia=True), TorchBuild("13.0", None, False, ("cuda",)))],
)
def test_where_no_card_is_idle_nothing_is_said(hardware, build):
    assert unusable_gpu(hardware, build) == ""


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_auto_warns_of_an_idle_card_and_cuda_by_name_says_why_not(monkeypatch):
    monkeypatch.setattr(device, "find_hardware", lambda: Hardware(nvidia=True))
    monkeypatch.setattr(device, "torch_build", lambda: CPU_ONLY)
    chosen = choose_device("auto")
    assert chosen.device.type == "cpu"
    assert "NVIDIA" in chosen.warning
    assert "NVIDIA" in chosen.reason
    with pytest.raises(RequestError, match="Install one with CUDA"):
        choose_device("cuda")
    assert choose_device("cpu").warning == ""
