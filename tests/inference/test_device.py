from __future__ import annotations

import pytest
import torch

from napari_mmlnb.errors import RequestError, UnknownNameError
from napari_mmlnb.inference.device import choose_device


def test_cpu_is_always_there() -> None:
    assert choose_device("cpu").device == torch.device("cpu")


def test_auto_says_why() -> None:
    assert choose_device("auto").reason


def test_an_unknown_device_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"auto, cuda, mps, cpu"):
        choose_device("tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_there_is_not_silently_replaced() -> None:
    with pytest.raises(RequestError, match="cuda"):
        choose_device("cuda")
