from __future__ import annotations

import gc
import threading

import numpy as np

from napari_mmlnb.slides.buffers import BufferPool


def test_an_array_comes_back_only_when_every_view_is_gone():
    made = []

    def allocate(shape):
        made.append(shape)
        return np.zeros(shape, np.uint8)

    pool = BufferPool(allocate)
    first = pool.lend((4, 8, 8, 3))
    first[:] = 7
    part = first[1:3, ::2]
    del first
    gc.collect()
    second = pool.lend((4, 8, 8, 3))
    second[:] = 1
    assert (part == 7).all()
    assert len(made) == 2
    del part, second
    gc.collect()
    third = pool.lend((2, 8, 8, 3))
    assert third.shape == (2, 8, 8, 3)
    assert third.flags.writeable
    assert len(made) == 2


def test_a_larger_request_gets_a_larger_array():
    pool = BufferPool()
    small = pool.lend((10,))
    del small
    gc.collect()
    assert pool.lend((20,)).shape == (20,)


def test_no_more_are_kept_than_wanted():
    pool = BufferPool(spare=1)
    lent = [pool.lend((100,)) for _ in range(5)]
    del lent
    gc.collect()
    assert len(pool._free) == 1


def test_an_array_may_come_back_while_the_pool_is_at_work():
    """A garbage collection may end an array in any line, one inside the pool among them."""
    pool = BufferPool()
    lent = [pool.lend((100,))]

    def collect() -> None:
        with pool._lock:
            lent.clear()

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert pool.lend((100,)).shape == (100,)
