"""One classification at a time, off the GUI thread; its news are passed on at a rate that the canvas can bear."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_mmlnb.viewer.engine import ClassifyStream
from napari_mmlnb.viewer.job_watcher import JobWatcher
from napari_mmlnb.viewer.session import Session

if TYPE_CHECKING:
    from napari_mmlnb.inference.settings import RunUpdate

MAP_INTERVAL_S = 0.5


class RunControl(QObject):
    """Runs the classification of a session.

    Signals
    -------
    progressed : RunUpdate
        Stage and counts, as often as they are looked at.
    maps_changed : RunMaps
        Sharper maps, at most twice a second.
    estimate_changed : RunEstimate or None
        With them, the class so far; None where none may be named.
    finished : Session
        The session now has its result.
    failed : object
        The exception.
    stopped
        The person cancelled.
    """

    progressed = Signal(object)
    maps_changed = Signal(object)
    estimate_changed = Signal(object)
    finished = Signal(object)
    failed = Signal(object)
    stopped = Signal()

    def __init__(self, classify: ClassifyStream, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._classify = classify
        self._session: Session | None = None
        self._drawn: RunUpdate | None = None
        self._drawn_at = 0.0
        self._watcher = JobWatcher(self)
        self._watcher.progressed.connect(self._on_progress)
        self._watcher.succeeded.connect(self._on_success)
        self._watcher.failed.connect(self._on_failure)
        self._watcher.stopped.connect(self._on_stop)

    @property
    def session(self) -> Session | None:
        """The session that is being classified; None at rest."""
        return self._session

    def start(self, session: Session, model: str) -> None:
        """Classify a session's slide with a bundle, by its name or folder."""
        self._session = session
        self._drawn, self._drawn_at = None, 0.0
        self._watcher.start(_work(self._classify, session, model), "mmlnb-classify")

    def cancel(self) -> None:
        """Stop; nothing of the run is shown any more."""
        self._watcher.cancel()

    def _on_progress(self, news: tuple[RunUpdate, RunUpdate | None]) -> None:
        update, drawn = news
        self.progressed.emit(update)
        now = time.monotonic()
        if drawn is not self._drawn and update.result is None and now - self._drawn_at >= MAP_INTERVAL_S:
            self._drawn, self._drawn_at = drawn, now
            self.maps_changed.emit(drawn.maps)
            self.estimate_changed.emit(drawn.estimate)

    def _on_success(self, result) -> None:
        session, self._session = self._session, None
        session.finish(result)
        self.finished.emit(session)

    def _on_failure(self, error: BaseException) -> None:
        self._session = None
        self.failed.emit(error)

    def _on_stop(self) -> None:
        self._session = None
        self.stopped.emit()


def _work(classify: ClassifyStream, session: Session, model: str) -> Callable:
    slide = session.slide

    def work(report, cancelled):
        result, drawn = None, None
        for update in classify(slide, model, cancelled):
            # Only the newest report is looked at: it carries the newest maps, even where the update itself has none.
            drawn = update if update.maps is not None else drawn
            report((update, drawn))
            result = update.result or result
        if result is None:
            raise RuntimeError("the run ended without a result")
        return result

    return work
