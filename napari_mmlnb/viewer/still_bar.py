"""A progress bar that stands still: steps where they are known, else seconds."""

from __future__ import annotations

from qtpy.QtCore import QElapsedTimer, QTimer
from qtpy.QtWidgets import QProgressBar, QWidget

_EVERY_MS = 1000


class StillBar(QProgressBar):
    """A bar that counts steps, or seconds while the number of steps is unknown.

    Not one that moves by itself: that has the window painted anew many times a second, which takes a core or two where
    no graphics card paints, and keeps waiting whatever is being loaded.

    Parameters
    ----------
    name : str
        What it shows, for screen readers.
    """

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._since = QElapsedTimer()
        self._tick = QTimer(self)
        self._tick.setInterval(_EVERY_MS)
        self._tick.timeout.connect(self._count_seconds)
        self.setAccessibleName(name)

    def begin(self) -> None:
        """The work has begun."""
        self._since.start()
        self._wait()

    def show_steps(self, done: int, total: int) -> None:
        """So many of so many steps are done; 0 of 0 where nobody knows."""
        if total <= 0:
            self._wait()
            return
        self._tick.stop()
        self.setRange(0, total)
        self.setValue(min(done, total))
        self.setFormat("%v / %m")

    def end(self) -> None:
        """The work is over."""
        self._tick.stop()

    def _wait(self) -> None:
        self.setRange(0, 1)
        self.setValue(0)
        self._count_seconds()
        self._tick.start()

    def _count_seconds(self) -> None:
        self.setFormat(f"{self._since.elapsed() // 1000} s")
