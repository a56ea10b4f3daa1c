"""How far a run has come; where nobody can know, how long it has been at it."""

from __future__ import annotations

from qtpy.QtCore import QElapsedTimer, QTimer
from qtpy.QtWidgets import QProgressBar, QWidget

_EVERY_MS = 1000


class RunProgress(QProgressBar):
    """A bar that counts steps, or seconds while the number of steps is unknown.

    Not a bar that moves by itself: it has the window painted anew many times a second, which takes a whole core where
    no graphics card paints, and keeps waiting the very engine that is being loaded (60 s instead of 15 were measured).
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._since = QElapsedTimer()
        self._tick = QTimer(self)
        self._tick.setInterval(_EVERY_MS)
        self._tick.timeout.connect(self._count_seconds)
        self.setAccessibleName("Progress of the classification")

    def begin(self) -> None:
        """The run has begun."""
        self._since.start()
        self._wait()

    def show_steps(self, done: int, total: int) -> None:
        """So many of so many steps of the stage are done; 0 of 0 where nobody knows."""
        if total <= 0:
            self._wait()
            return
        self._tick.stop()
        self.setRange(0, total)
        self.setValue(min(done, total))
        self.setFormat("%v / %m")

    def end(self) -> None:
        """The run is over."""
        self._tick.stop()

    def _wait(self) -> None:
        self.setRange(0, 1)
        self.setValue(0)
        self._count_seconds()
        self._tick.start()

    def _count_seconds(self) -> None:
        self.setFormat(f"{self._since.elapsed() // 1000} s")
