"""Threads that decode, what the eye waits for first.

A person who pans while a run reads thousands of tiles must not queue behind them: the pool takes the most urgent task
whenever a thread is free, and whoever submits much submits it in pieces of a few milliseconds.
"""

from __future__ import annotations

import itertools
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Priority(IntEnum):
    """Who waits, the most urgent first."""

    VIEWPORT = 0
    FINISH = 1
    """The last step of what is nearly done."""
    INFERENCE = 2
    AHEAD = 3
    """Nobody yet."""


_STOP = 4


@dataclass(order=True, frozen=True)
class _Task:
    priority: int
    number: int
    call: Callable[[], Any] = field(compare=False)
    future: Future[Any] = field(compare=False)

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self.call())
        except BaseException as error:
            self.future.set_exception(error)
            del self  # the error's traceback holds this frame: a circle would keep everything alive


class DecodePool:
    """A few threads and a queue by urgency; tasks of one urgency are begun in the order in which they came.

    Parameters
    ----------
    threads : int, optional
        As many as there are cores, from 2 to 8, by default. They start with the first task.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = min(8, max(2, os.cpu_count() or 2)) if threads is None else threads
        self._tasks: queue.PriorityQueue[_Task] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._workers: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, priority: Priority, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have `call` run by a thread of the pool.

        Raises
        ------
        RuntimeError
            If the pool is closed.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the decode pool is closed")
            self._tasks.put(_Task(priority, next(self._numbers), partial(call, *args, **kwargs), future))
            if not self._workers:
                self._start()
        return future

    def close(self) -> None:
        """End the threads once the tasks that were submitted are done. Safe to call twice; not from its own threads."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in self._workers:
                    self._tasks.put(_Task(_STOP, next(self._numbers), _nothing, Future()))
        for worker in self._workers:
            worker.join()

    def _start(self) -> None:
        self._workers = [
            threading.Thread(target=self._work, name=f"decode-{index}", daemon=True) for index in range(self.threads)
        ]
        for worker in self._workers:
            worker.start()

    def _work(self) -> None:
        while (task := self._tasks.get()).priority != _STOP:
            task.run()
            del task  # an idle thread must not keep alive what its last task worked on


def _nothing() -> None:
    """What the task that ends a thread does."""
