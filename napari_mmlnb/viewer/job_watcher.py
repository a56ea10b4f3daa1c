"""Looks after a `Job` from the GUI thread and turns what it finds into Qt signals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QApplication

from napari_mmlnb.errors import RunCancelledError
from napari_mmlnb.viewer.job import Job

POLL_MS = 50
FAREWELL_S = 2.0


class _Slot:
    """Holds the last job outside Qt, so that it can still be stopped when the Qt object is gone."""

    def __init__(self) -> None:
        self.job: Job[Any, Any] | None = None

    def start(self) -> None:
        if self.job is not None:
            self.job.start()

    def stop(self) -> None:
        if self.job is not None:
            self.job.cancel()

    def stop_and_wait(self) -> None:
        # Python must not be taken down under a thread that is busy in native code.
        if self.job is not None:
            self.job.cancel()
            self.job.join(FAREWELL_S)


class JobWatcher(QObject):
    """Runs one job at a time.

    Parameters
    ----------
    poll_ms : int
        How often it is looked at, milliseconds; less for work that somebody waits for at each step.

    Signals
    -------
    progressed : object
        The newest progress; at most one a poll.
    succeeded : object
        The outcome.
    failed : object
        The exception.
    stopped
        The person cancelled. The thread itself ends when it next asks; whatever it still reports is dropped.
    """

    progressed = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object)
    stopped = Signal()

    def __init__(self, parent: QObject | None = None, poll_ms: int = POLL_MS) -> None:
        super().__init__(parent)
        self._slot = _Slot()
        self._timer = QTimer(self)
        self._timer.setInterval(poll_ms)
        self._timer.timeout.connect(self._look)
        self.destroyed.connect(self._slot.stop)
        QApplication.instance().aboutToQuit.connect(self._slot.stop_and_wait)

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return self._timer.isActive()

    def start(self, work: Callable[..., Any], name: str, discard: Callable[[Any], object] | None = None) -> None:
        """Begin. The thread starts at the first look, after the GUI has painted what the click changed.

        Parameters
        ----------
        work : callable
            Called as ``work(report, cancelled)``.
        name : str
            Of the thread.
        discard : callable, optional
            What to do with an outcome that comes after the person has cancelled.

        Raises
        ------
        RuntimeError
            If a job is running.
        """
        if self.busy:
            raise RuntimeError("a job is already running")
        self._slot.job = Job(work, name, discard)
        self._timer.start()

    def cancel(self) -> None:
        """Stop looking after the job, and ask it to end."""
        if self.busy:
            self._timer.stop()
            self._slot.stop()
            self.stopped.emit()

    def _look(self) -> None:
        job = self._slot.job
        if job is None or not job.started:
            self._slot.start()
            return
        seen = job.poll()
        if seen.progress is not None:
            self.progressed.emit(seen.progress)
        # Whoever heard of the progress may have cancelled.
        if not seen.finished or not self.busy:
            return
        self._timer.stop()
        if isinstance(seen.error, RunCancelledError):
            self.stopped.emit()
        elif seen.error is not None:
            self.failed.emit(seen.error)
        else:
            self.succeeded.emit(seen.outcome)
