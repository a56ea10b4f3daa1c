from __future__ import annotations

import gc
import threading
import time
import weakref
from concurrent.futures import CancelledError

import pytest

from napari_mmlnb.slides.decode_pool import DecodePool, Priority


@pytest.fixture
def pool():
    pool = DecodePool(threads=1)
    yield pool
    pool.close()


@pytest.fixture
def busy(pool):
    """The pool's only thread, held up; set the event to let it go."""
    begun, free = threading.Event(), threading.Event()
    pool.submit(Priority.VIEWPORT, lambda: (begun.set(), free.wait(20)))
    assert begun.wait(20)
    yield free
    free.set()


def test_the_most_urgent_first_and_equals_in_the_order_in_which_they_came(pool, busy):
    begun = []
    wanted = [
        Priority.AHEAD,
        Priority.INFERENCE,
        Priority.VIEWPORT,
        Priority.INFERENCE,
        Priority.FINISH,
        Priority.AHEAD,
    ]
    wanted += [Priority.VIEWPORT]
    tasks = [pool.submit(priority, begun.append, (priority, number)) for number, priority in enumerate(wanted)]
    busy.set()
    for task in tasks:
        task.result(20)
    assert begun == sorted((priority, number) for number, priority in enumerate(wanted))


def test_the_eye_comes_before_a_run_which_finishes_before_it_begins_more():
    assert Priority.VIEWPORT < Priority.FINISH < Priority.INFERENCE < Priority.AHEAD


def test_arguments_and_results_go_through(pool):
    assert pool.submit(Priority.INFERENCE, divmod, 17, 5).result(20) == (3, 2)
    assert pool.submit(Priority.INFERENCE, int, "ff", base=16).result(20) == 255


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(3), KeyboardInterrupt()])
def test_an_error_reaches_who_asked_and_the_thread_lives_on(pool, error):
    def fail():
        raise error

    failed = pool.submit(Priority.VIEWPORT, fail)
    assert failed.exception(20) is error
    assert pool.submit(Priority.VIEWPORT, str, 5).result(20) == "5"


def test_a_cancelled_task_is_never_begun(pool, busy):
    ran = []
    task = pool.submit(Priority.INFERENCE, ran.append, 1)
    after = pool.submit(Priority.INFERENCE, ran.append, 2)
    assert task.cancel()
    busy.set()
    after.result(20)
    assert ran == [2]
    with pytest.raises(CancelledError):
        task.result(0)


def test_a_running_task_cannot_be_cancelled(pool):
    begun, free = threading.Event(), threading.Event()
    task = pool.submit(Priority.INFERENCE, lambda: (begun.set(), free.wait(20)))
    assert begun.wait(20)
    assert not task.cancel()
    free.set()
    task.result(20)


def test_as_many_run_at_once_as_there_are_threads():
    pool = DecodePool(threads=3)
    together = threading.Barrier(3, timeout=20)
    for task in [pool.submit(Priority.INFERENCE, together.wait) for _ in range(3)]:
        task.result(20)
    pool.close()


def test_closing_does_what_was_submitted_and_takes_nothing_more():
    pool = DecodePool(threads=2)
    done = []

    def work(number):
        time.sleep(0.01)
        done.append(number)

    for number in range(20):
        pool.submit(Priority.AHEAD if number % 2 else Priority.VIEWPORT, work, number)
    pool.close()
    assert sorted(done) == list(range(20))
    pool.close()
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(Priority.VIEWPORT, work, 0)


def test_whoever_closes_second_waits_too():
    pool = DecodePool(threads=1)
    free = threading.Event()
    task = pool.submit(Priority.AHEAD, free.wait, 20)
    first = threading.Thread(target=pool.close)
    first.start()
    second = threading.Thread(target=pool.close)
    second.start()
    second.join(0.1)
    assert second.is_alive()
    free.set()
    first.join(20)
    second.join(20)
    assert task.done()
    assert not first.is_alive()
    assert not second.is_alive()


def test_threads_start_with_the_first_task_and_end_with_the_pool():
    before = set(threading.enumerate())
    pool = DecodePool(threads=3)
    assert set(threading.enumerate()) == before
    pool.submit(Priority.VIEWPORT, int).result(20)
    assert len(set(threading.enumerate()) - before) == 3
    pool.close()
    assert set(threading.enumerate()) <= before


def test_a_pool_that_never_worked_closes():
    pool = DecodePool()
    assert 2 <= pool.threads <= 8
    pool.close()
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(Priority.VIEWPORT, int)


class Pixels:
    """Something whose end can be seen."""


@pytest.mark.parametrize("fails", [False, True])
def test_an_idle_thread_keeps_nothing_of_its_last_task_alive(pool, fails):
    gc.collect()
    gc.disable()
    try:
        pixels = Pixels()
        gone = weakref.ref(pixels)

        def work(held):
            if fails:
                raise ValueError(held)
            return held

        task = pool.submit(Priority.VIEWPORT, work, pixels)
        task.exception(20)
        del task, pixels
        until = time.monotonic() + 5
        while gone() is not None and time.monotonic() < until:
            time.sleep(0.01)
        assert gone() is None
    finally:
        gc.enable()
