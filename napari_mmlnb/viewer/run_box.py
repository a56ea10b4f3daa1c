"""Classify, progress, Cancel."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_mmlnb.viewer.section import Section, say
from napari_mmlnb.viewer.still_bar import StillBar

STAGES = {
    "load": "Loading the model",
    "tissue": "Finding tissue",
    "encode": "Looking at tiles",
    "describe": "Describing the evidence",
    "done": "Finishing",
}
STARTING = "Starting…"


class RunBox(Section):
    """The two buttons of a run, and how far it has come.

    Signals
    -------
    classify_asked, cancel_asked
        The person pressed the button.
    """

    classify_asked = Signal()
    cancel_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Classification", parent)
        self.classify_button = QPushButton("Classify")
        self.classify_button.setToolTip("Classify the slide; the map sharpens while you look around")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop the classification")
        for button in (self.classify_button, self.cancel_button):
            button.setMinimumHeight(30)
        self.progress = StillBar("Progress of the classification")
        row = QHBoxLayout()
        row.addWidget(self.classify_button, 2)
        row.addWidget(self.cancel_button, 1)
        self.body.addLayout(row)
        self.body.addWidget(self.progress)
        self.status = self.add_text(role="quiet")
        self.error = self.add_text(role="error")
        self.classify_button.clicked.connect(self.classify_asked)
        self.cancel_button.clicked.connect(self.cancel_asked)
        self._ready = False
        self._running = False
        self._arrange()

    def set_ready(self, ready: bool) -> None:
        """Whether there are a slide and a model to begin with."""
        self._ready = ready
        self._arrange()

    def begin(self) -> None:
        """Show at once that the click was heard."""
        self._running = True
        say(self.error, "")
        say(self.status, STARTING)
        self.progress.begin()
        self._arrange()

    def show_progress(self, stage: str, message: str, done: int, total: int) -> None:
        """Stage, counts and the runner's own words."""
        self.progress.show_steps(done, total)
        counts = f" ({done:,} / {total:,})" if total > 0 else ""
        say(self.status, f"{message or STAGES.get(stage, stage)}{counts}")

    def end(self, status: str = "", error: str = "") -> None:
        """Back to rest, saying how it ended."""
        self._running = False
        self.progress.end()
        say(self.status, status)
        say(self.error, error)
        self._arrange()

    def _arrange(self) -> None:
        self.classify_button.setEnabled(self._ready and not self._running)
        self.cancel_button.setEnabled(self._running)
        self.progress.setVisible(self._running)
