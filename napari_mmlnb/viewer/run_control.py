"""One classification at a time, off the GUI thread; its news are passed on at a rate that the canvas can bear."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_mmlnb.viewer.describer_choice import DescriberChoice
from napari_mmlnb.viewer.engine import BY_ITSELF, ClassifyStream
from napari_mmlnb.viewer.job_watcher import JobWatcher
from napari_mmlnb.viewer.session import Session

if TYPE_CHECKING:
    from napari_mmlnb.inference.settings import RunUpdate
    from napari_mmlnb.result import GeneratedSentence, RunResult

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
    said_changed : tuple of GeneratedSentence
        Everything that a describing model has said so far, when there is more of it.
    answered : Session
        The session has its result but for the words of a describing model, which are still to come.
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
    said_changed = Signal(object)
    answered = Signal(object)
    finished = Signal(object)
    failed = Signal(object)
    stopped = Signal()

    def __init__(self, classify: ClassifyStream, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._classify = classify
        self._session: Session | None = None
        self._drawn: RunUpdate | None = None
        self._drawn_at = 0.0
        self._said = 0
        self._answered = False
        self._watcher = JobWatcher(self)
        self._watcher.progressed.connect(self._on_progress)
        self._watcher.succeeded.connect(self._on_success)
        self._watcher.failed.connect(self._on_failure)
        self._watcher.stopped.connect(self._on_stop)

    @property
    def session(self) -> Session | None:
        """The session that is being classified; None at rest."""
        return self._session

    @property
    def answered_early(self) -> bool:
        """Whether the latest run has told its answer before its end."""
        return self._answered

    def start(self, session: Session, model: str, describing: DescriberChoice = BY_ITSELF) -> None:
        """Classify a session's slide with a bundle, by its name or folder."""
        self._session = session
        self._drawn, self._drawn_at, self._said, self._answered = None, 0.0, 0, False
        self._watcher.start(_work(self._classify, session, model, describing), "mmlnb-classify")

    def cancel(self) -> None:
        """Stop; nothing of the run is shown any more."""
        self._watcher.cancel()

    def _on_progress(self, news: _News) -> None:
        update, drawn = news.update, news.drawn
        if news.answer is not None and not self._answered:
            self._answered = True
            self._session.finish(news.answer)
            self.answered.emit(self._session)
        self.progressed.emit(update)
        if len(news.said) > self._said:
            self._said = len(news.said)
            self.said_changed.emit(news.said)
        now = time.monotonic()
        sharpening = drawn is not self._drawn and update.result is None and not self._answered
        if sharpening and now - self._drawn_at >= MAP_INTERVAL_S:
            self._drawn, self._drawn_at = drawn, now
            self.maps_changed.emit(drawn.maps)
            self.estimate_changed.emit(drawn.estimate)

    def _on_success(self, result) -> None:
        session, self._session = self._session, None
        if self._answered:
            session.add_words(result)
        else:
            session.finish(result)
        self.finished.emit(session)

    def _on_failure(self, error: BaseException) -> None:
        self._session = None
        self.failed.emit(error)

    def _on_stop(self) -> None:
        self._session = None
        self.stopped.emit()


@dataclass(frozen=True)
class _News:
    """The newest update, the newest with maps, all that was said, the answer: reports between two looks are lost."""

    update: RunUpdate
    drawn: RunUpdate | None
    said: tuple[GeneratedSentence, ...]
    answer: RunResult | None


def _work(classify: ClassifyStream, session: Session, model: str, describing: DescriberChoice) -> Callable:
    slide = session.slide

    def work(report, cancelled):
        result, drawn, said, answer = None, None, (), None
        for update in classify(slide, model, cancelled, describing):
            # Only the newest report is looked at: it carries the newest maps, even where the update itself has none.
            drawn = update if update.maps is not None else drawn
            said = (*said, update.said) if update.said is not None else said
            answer = update.answer or answer
            report(_News(update, drawn, said, answer))
            result = update.result or result
        if result is None:
            raise RuntimeError("the run ended without a result")
        return result

    return work
