from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_mmlnb.errors import RequestError
from napari_mmlnb.inference.runtimes.halving import Halving, find_batch


def card(memory: int, calls: list[int]):
    """A card that holds so many tiles at a time."""

    def call(pixels):
        calls.append(len(pixels))
        if len(pixels) > memory:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return pixels.astype(np.float32) * 2

    return call


def test_a_batch_that_does_not_fit_is_halved_and_gives_the_same():
    pixels = np.arange(20, dtype=np.uint8)[:, None]
    calls: list[int] = []
    freed: list[int] = []
    halving = Halving(16, lambda: freed.append(1))
    np.testing.assert_array_equal(halving.run(pixels, card(5, calls)), pixels * 2.0)
    assert calls == [16, 8, 4, 4, 4, 4, 4]
    assert len(freed) == 2
    calls.clear()
    halving.run(pixels, card(5, calls))
    assert calls == [4] * 5, "what did not fit once is not tried again"


def test_a_small_batch_that_does_not_fit_is_halved_too():
    calls: list[int] = []
    Halving(64, lambda: None).run(np.zeros((6, 1), np.uint8), card(3, calls))
    assert calls == [6, 3, 3]


def test_mps_says_it_in_its_own_words():
    def call(pixels):
        if len(pixels) > 1:
            raise RuntimeError("MPS backend out of memory (MPS allocated: 8.1 GB)")
        return pixels.astype(np.float32)

    assert len(Halving(4, lambda: None).run(np.zeros((3, 1), np.uint8), call)) == 3


def test_a_card_that_does_not_hold_one_tile_says_what_to_do():
    with pytest.raises(RequestError, match="--device cpu"):
        Halving(4, lambda: None).run(np.zeros((3, 1), np.uint8), card(0, []))


def test_another_fault_is_not_taken_for_a_lack_of_memory():
    def call(pixels):
        raise RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")

    with pytest.raises(RuntimeError, match="cuDNN"):
        Halving(4, lambda: None).run(np.zeros((3, 1), np.uint8), call)


def test_the_batch_grows_while_that_gains():
    assert find_batch({8: 100.0, 16: 180.0, 32: 260.0, 64: 265.0}.__getitem__) == 32


def test_the_batch_stays_below_what_runs_out_of_memory():
    def rate(batch):
        if batch > 16:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return float(batch)

    assert find_batch(rate) == 16


def test_the_batch_has_an_end():
    assert find_batch(float) == 1024
