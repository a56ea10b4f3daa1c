from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from napari_mmlnb.errors import FeatureError
from napari_mmlnb.inference.encoding import encode_tiles
from napari_mmlnb.slides.tile_reader import TileBatch
from tests.inference.runtimes.made import Mean


def batch(levels: list[int], readable: list[bool] | None = None, first: int = 0) -> TileBatch:
    pixels = np.stack([np.full((4, 4, 3), level, np.uint8) for level in levels])
    return TileBatch(first + np.arange(len(levels)), pixels, np.array(readable or [True] * len(levels)))


def test_unreadable_tiles_never_reach_the_encoder():
    runtime = Mean()
    read = [batch([5, 9], [True, True]), batch([7, 0, 3], [True, False, True]), batch([0], [False])]
    encoded = list(encode_tiles(read, runtime))
    assert [part.features[:, 0].tolist() for part in encoded if len(part.features)] == [[5, 9], [7, 3]]
    assert [part.unreadable.tolist() for part in encoded] == [[], [1], [0]]
    assert runtime.calls == [2, 2]


def test_features_come_in_the_reader_s_order_however_long_each_takes():
    class Uneven(Mean):
        def encode(self, pixels):
            time.sleep(0.02 if pixels[0, 0, 0, 0] % 2 else 0.0)
            return super().encode(pixels)

    read = [batch([3 * n, 3 * n + 1, 3 * n + 2], first=3 * n) for n in range(8)]
    encoded = list(encode_tiles(read, Uneven(streams=3, piece=1)))
    assert np.concatenate([part.indices for part in encoded]).tolist() == list(range(24))
    assert np.concatenate([part.features[:, 0] for part in encoded]).tolist() == list(range(24))


def test_the_encoder_works_while_the_caller_does():
    runtime = Mean()
    encoded = encode_tiles([batch([n]) for n in range(5)], runtime)
    next(encoded)
    until = time.monotonic() + 5
    while len(runtime.calls) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(runtime.calls) >= 2
    encoded.close()


def test_whoever_stops_early_waits_for_nothing_that_has_not_begun():
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Mean):
        def encode(self, pixels):
            if self.calls:
                begun.set()
                go_on.wait(5)
            return super().encode(pixels)

    runtime = Slow(piece=1)
    encoded = encode_tiles([batch([n, n, n, n]) for n in range(4)], runtime)
    threading.Timer(0.2, go_on.set).start()
    next(encoded)
    assert begun.wait(5)
    go_on.set()
    encoded.close()
    assert len(runtime.calls) < 16
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("encode")]


def test_a_value_that_is_not_finite_stops_the_run_with_a_remedy():
    class Broken(Mean):
        def encode(self, pixels):
            return np.full((len(pixels), 1), np.nan, np.float32)

    with pytest.raises(FeatureError, match=r"small gave values that are not finite with mean.*--runtime torch-float32"):
        list(encode_tiles([batch([1])], Broken()))
