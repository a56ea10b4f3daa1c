"""Work off the GUI thread, without Qt: a thread that leaves its latest progress where the GUI can pick it up.

The GUI polls instead of being called. So a worker that reports a thousand times a second floods nobody, and a window
that is closed while it works leaves no dangling signal behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from napari_mmlnb.errors import RunCancelledError

Progress = TypeVar("Progress")
Outcome = TypeVar("Outcome")
Report = Callable[[Progress], None]
Cancelled = Callable[[], bool]


@dataclass(frozen=True)
class Poll(Generic[Progress, Outcome]):
    """What has happened since the last look.

    Parameters
    ----------
    progress : object or None
        The newest report; those between were never looked at.
    finished : bool
        Whether the work is over.
    outcome : object or None
        What it gave.
    error : BaseException or None
        What it raised.
    """

    progress: Progress | None = None
    finished: bool = False
    outcome: Outcome | None = None
    error: BaseException | None = None


class Job(Generic[Progress, Outcome]):
    """One piece of work in a thread of its own.

    Parameters
    ----------
    work : callable
        Called as ``work(report, cancelled)``: `report` takes progress, `cancelled` says whether to stop.
    name : str
        Of the thread.
    discard : callable, optional
        What to do with the outcome of work that was cancelled too late to stop; called once, in either thread.
    """

    def __init__(
        self,
        work: Callable[[Report[Progress], Cancelled], Outcome],
        name: str = "mmlnb-job",
        discard: Callable[[Outcome], object] | None = None,
    ) -> None:
        self._work = work
        self._discard = discard
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._latest: Progress | None = None
        self._outcome: Outcome | None = None
        self._error: BaseException | None = None
        self._finished = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def started(self) -> bool:
        """Whether it was begun."""
        return self._thread.ident is not None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def cancel(self) -> None:
        """Ask the work to stop; it does so when it next asks."""
        self._stop.set()
        self._drop_outcome()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread; whether it has ended."""
        if self.started:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def poll(self) -> Poll[Progress, Outcome]:
        """Take the newest progress, and the outcome once there is one."""
        with self._lock:
            progress, self._latest = self._latest, None
            return Poll(progress, self._finished, self._outcome, self._error)

    def _run(self) -> None:
        outcome: Outcome | None = None
        error: BaseException | None = None
        try:
            outcome = self._work(self._report, self._stop.is_set)
        # A thread has no caller to raise to: the GUI shows the error.
        except BaseException as caught:
            error = caught
        with self._lock:
            self._outcome, self._error, self._finished = outcome, error, True
        self._drop_outcome()

    def _drop_outcome(self) -> None:
        """Of work that was cancelled: nobody will ask for it."""
        if not self._stop.is_set():
            return
        with self._lock:
            outcome, self._outcome = self._outcome, None
        if outcome is not None and self._discard is not None:
            self._discard(outcome)

    def _report(self, progress: Progress) -> None:
        if self._stop.is_set():
            raise RunCancelledError
        with self._lock:
            self._latest = progress
