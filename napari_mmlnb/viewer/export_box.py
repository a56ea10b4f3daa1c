"""Saving: the PDF alone, or all files of the result; both with the reader's decision."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_mmlnb.viewer.section import Section, breakable, say


class ExportBox(Section):
    """Two buttons, and afterwards where it went.

    Signals
    -------
    pdf_asked, results_asked
        The person pressed the button.
    """

    pdf_asked = Signal()
    results_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Save", parent)
        self.pdf_button = QPushButton("Export PDF…")
        self.pdf_button.setToolTip("Write the report, with your decision, as a PDF")
        self.results_button = QPushButton("Save results…")
        self.results_button.setToolTip("Write report, result, regions for QuPath, attention map and your decision")
        self.open_button = QPushButton("Open")
        self.open_button.setToolTip("Open what was saved with the system's own program")
        row = QHBoxLayout()
        row.addWidget(self.pdf_button)
        row.addWidget(self.results_button)
        self.body.addLayout(row)
        self.status = self.add_text(role="quiet")
        self.error = self.add_text(role="error")
        self.body.addWidget(self.open_button)
        self.open_button.hide()
        self.saved: Path | None = None
        self.pdf_button.clicked.connect(self.pdf_asked)
        self.results_button.clicked.connect(self.results_asked)
        self.open_button.clicked.connect(self._open)

    def begin(self) -> None:
        """Show at once that it is being written."""
        self._set_busy(True)
        self.open_button.hide()
        say(self.error, "")
        say(self.status, "Writing…")

    def succeed(self, path: Path) -> None:
        """Say where it went."""
        self._set_busy(False)
        self.saved = path
        say(self.status, f"Saved to {breakable(str(path))}")
        self.open_button.show()

    def fail(self, text: str) -> None:
        """Say why nothing was written."""
        self._set_busy(False)
        say(self.status, "")
        say(self.error, breakable(text))

    def reset(self) -> None:
        """Forget the last export: another result is shown."""
        self._set_busy(False)
        self.saved = None
        say(self.status, "")
        say(self.error, "")
        self.open_button.hide()

    def _set_busy(self, busy: bool) -> None:
        self.pdf_button.setEnabled(not busy)
        self.results_button.setEnabled(not busy)

    def _open(self) -> None:
        if self.saved is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.saved)))
