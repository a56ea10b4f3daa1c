"""How long a server is waited for: time limits, a few retries, and leaving it alone when it does not answer.

A read ends within `RemoteLimits.read_s` (20 s), opening within `RemoteLimits.open_s` (60 s), retries included. After a
few failures in a row nothing is asked for `RemoteLimits.rest_s` (30 s), and reads fail at once, so that a run over a
lost connection ends soon, with its unreadable tiles counted.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from napari_mmlnb.slides.backends.remote_error import RemoteError
from napari_mmlnb.slides.backends.remote_ranges import failure_of

T = TypeVar("T")


@dataclass(frozen=True)
class RemoteLimits:
    """How long a remote slide may take.

    Parameters
    ----------
    open_s : float
        For opening it, seconds.
    read_s : float
        For one read, retries included, seconds.
    attempts : int
        How often a request is sent at most.
    failures : int
        After so many failed reads in a row the server is left alone,
    rest_s : float
        for so many seconds.
    """

    open_s: float = 60.0
    read_s: float = 20.0
    attempts: int = 3
    failures: int = 4
    rest_s: float = 30.0


LIMITS = RemoteLimits()


class Patience:
    """What one open slide has waited for its server so far; safe from several threads.

    Parameters
    ----------
    limits : RemoteLimits, optional
        `LIMITS` by default.
    """

    def __init__(self, limits: RemoteLimits | None = None) -> None:
        self.limits = limits or LIMITS
        self._lock = threading.Lock()
        self._failed = 0
        self._rest_until = 0.0
        self._open_until = time.monotonic() + self.limits.open_s

    def opened(self) -> None:
        """The slide is open: from now on reads have their own time limit only."""
        self._open_until = float("inf")

    def check(self) -> None:
        """Raise `RemoteError` while the server is left alone."""
        if time.monotonic() < self._rest_until:
            raise RemoteError("cannot be reached at the moment", again=True)

    async def call(self, what: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Call, and again after a pause where that may help; within the limits.

        Raises
        ------
        RemoteError
            If that did not help.
        """
        self.check()
        end = min(time.monotonic() + self.limits.read_s, self._open_until)
        try:
            result = await self._repeated(what, end)
        except RemoteError as failure:
            self._note(failure)
            raise
        with self._lock:
            self._failed = 0
        return result

    async def _repeated(self, what: Callable[[], Coroutine[Any, Any, T]], end: float) -> T:
        for attempt in range(1, self.limits.attempts + 1):
            left = end - time.monotonic()
            # The last attempt has all that is left, those before it half: a lost packet must not cost the whole time.
            share = left if attempt == self.limits.attempts else left / 2
            try:
                return await asyncio.wait_for(what(), max(share, 0.0))
            except Exception as error:
                failure = failure_of(error)
            pause = 0.1 * 4 ** (attempt - 1)
            if not failure.again or attempt == self.limits.attempts or time.monotonic() + pause >= end:
                raise failure from None
            await asyncio.sleep(pause)
        raise AssertionError("at least one attempt is made")

    def _note(self, failure: RemoteError) -> None:
        with self._lock:
            self._failed += failure.again
            if self._failed >= self.limits.failures:
                self._rest_until = time.monotonic() + self.limits.rest_s
