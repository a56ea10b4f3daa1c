"""The class so far while a run reads: with its uncertainty, and never to be taken for the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QRectF, QSize
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_mmlnb.viewer import wording
from napari_mmlnb.viewer.probability_table import class_chip
from napari_mmlnb.viewer.section import Section, say, wrapped_label

if TYPE_CHECKING:
    from napari_mmlnb.inference.estimate import RunEstimate
    from napari_mmlnb.result import ClassRecord

HEIGHT_PX = 8
MARK_PX = 2


class IntervalBar(QWidget):
    """Where a probability is expected, from 0 to 1: a pale band with a mark at the value so far.

    Parameters
    ----------
    colour : str
        "#rrggbb".
    """

    def __init__(self, colour: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.value, self.low, self.high = 0.0, 0.0, 1.0
        self._colour = QColor(colour)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Preferred size."""
        return QSize(120, HEIGHT_PX)

    def set_interval(self, value: float, low: float, high: float) -> None:
        """Show a value and its interval, all from 0 to 1."""
        self.value, self.low, self.high = value, low, high
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's signature
        """Draw the track, the band and the mark."""
        painter = QPainter(self)
        width, height = self.width(), self.height()
        track = QColor(self.palette().color(self.foregroundRole()))
        track.setAlphaF(0.18)
        painter.fillRect(QRectF(0, height / 2 - 1, width, 2), track)
        band = QColor(self._colour)
        band.setAlphaF(0.55)
        painter.fillRect(QRectF(width * self.low, 0, max(width * (self.high - self.low), 1), height), band)
        mark = self.palette().color(self.foregroundRole())
        painter.fillRect(QRectF((width - MARK_PX) * self.value, 0, MARK_PX, height), mark)
        painter.end()


class _Row(QWidget):
    """One class: its name, its bar and its numbers."""

    def __init__(self, record: ClassRecord) -> None:
        super().__init__()
        self._label = record.label
        self._bar = IntervalBar(record.colour)
        self._numbers = QLabel()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 2)
        column.setSpacing(1)
        head = QHBoxLayout()
        head.addWidget(class_chip(record.colour))
        head.addWidget(wrapped_label(record.label), 1)
        head.addWidget(self._numbers)
        column.addLayout(head)
        column.addWidget(self._bar)

    def show_class(self, estimate: RunEstimate, class_id: str) -> None:
        numbers = wording.provisional_value(estimate, class_id)
        self._numbers.setText(numbers)
        self._bar.set_interval(estimate.probabilities[class_id], *estimate.intervals[class_id])
        self.setAccessibleName(f"{self._label}, so far: {numbers}")


class ProvisionalBox(Section):
    """The running estimate; gone as soon as there is an answer, an abstention, or nothing that may be named."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Provisional", parent)
        self.headline = self.add_text(role="notice")
        self._rows_layout = QVBoxLayout()
        self._rows_layout.setContentsMargins(0, 0, 0, 0)
        self.body.addLayout(self._rows_layout)
        self.note = self.add_text(role="quiet")
        self._rows: dict[str, _Row] = {}
        self.hide()

    def show_estimate(self, estimate: RunEstimate | None) -> None:
        """Show the class so far; nothing at all for None."""
        if estimate is None:
            self.clear()
            return
        if list(self._rows) != [record.id for record in estimate.classes]:
            self._set_classes(estimate.classes)
        say(self.headline, wording.provisional_headline(estimate))
        for class_id, row in self._rows.items():
            row.show_class(estimate, class_id)
        say(self.note, wording.provisional_note(estimate))
        self.show()

    def clear(self) -> None:
        """Show nothing, and keep nothing that could be read."""
        self.hide()
        self._set_classes(())
        say(self.headline, "")
        say(self.note, "")

    def _set_classes(self, classes: tuple[ClassRecord, ...]) -> None:
        for row in self._rows.values():
            self._rows_layout.removeWidget(row)
            row.hide()
            row.deleteLater()
        self._rows = {record.id: _Row(record) for record in classes}
        for row in self._rows.values():
            self._rows_layout.addWidget(row)
