"""Probabilities as bars with their numbers: two lines a class, a column a branch."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QRectF, QSize
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_mmlnb.viewer.section import GAP_PX, wrapped_label
from napari_mmlnb.viewer.wording import BRANCH_LABELS, ProbabilityRow

BAR_HEIGHT_PX = 6
CHIP_PX = 12


class Bar(QWidget):
    """A horizontal bar from 0 to 1 in the colour of a class.

    Parameters
    ----------
    value : float
        0 to 1.
    colour : str
        "#rrggbb".
    """

    def __init__(self, value: float, colour: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.value = value
        self._colour = QColor(colour)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Preferred size."""
        return QSize(48, BAR_HEIGHT_PX)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's signature
        """Draw the track and the bar."""
        painter = QPainter(self)
        track = QColor(self.palette().color(self.foregroundRole()))
        track.setAlphaF(0.18)
        painter.fillRect(self.rect(), track)
        painter.fillRect(QRectF(0, 0, self.width() * self.value, self.height()), self._colour)
        painter.end()


def class_chip(colour: str) -> QLabel:
    """A small square in the colour of a class."""
    chip = QLabel()
    chip.setFixedSize(CHIP_PX, CHIP_PX)
    chip.setStyleSheet(f"background-color: {colour}; border: 1px solid #808080; border-radius: 2px;")
    return chip


class ProbabilityTable(QWidget):
    """The table; empty until rows are set."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._table: QWidget | None = None

    def set_rows(self, rows: Sequence[ProbabilityRow]) -> None:
        """Show these rows in place of what was shown; nothing at all for none."""
        if self._table is not None:
            self._layout.removeWidget(self._table)
            self._table.hide()
            self._table.deleteLater()
            self._table = None
        if rows:
            self._table = self._build(rows)
            self._layout.addWidget(self._table)
        self.setVisible(bool(rows))

    def _build(self, rows: Sequence[ProbabilityRow]) -> QWidget:
        table = QWidget()
        column = QVBoxLayout(table)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        branches = [name for name in BRANCH_LABELS if any(name in row.values for row in rows)]
        column.addLayout(_side_by_side([QLabel(BRANCH_LABELS[branch]) for branch in branches]))
        # The label has a line of its own: a long word beside the bars would be cut in a narrow dock.
        for row in rows:
            head = QHBoxLayout()
            head.addWidget(class_chip(row.record.colour))
            head.addWidget(wrapped_label(row.record.label, role="title" if row.predicted else ""), 1)
            column.addLayout(head)
            column.addLayout(_side_by_side([self._cell(row, branch) for branch in branches]))
        return table

    @staticmethod
    def _cell(row: ProbabilityRow, branch: str) -> QWidget:
        cell = QWidget()
        layout = QVBoxLayout(cell)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.setSpacing(1)
        if branch in row.values:
            value = row.values[branch]
            cell.setAccessibleName(f"{row.record.label}, {BRANCH_LABELS[branch]}: {value:.2f}")
            layout.addWidget(QLabel(f"{value:.2f}"))
            layout.addWidget(Bar(value, row.record.colour))
        return cell


def _side_by_side(widgets: Sequence[QWidget]) -> QHBoxLayout:
    # Equal shares, so that the columns of all rows stand below one another.
    row = QHBoxLayout()
    row.setContentsMargins(CHIP_PX + GAP_PX, 0, 0, 0)
    row.setSpacing(10)
    for widget in widgets:
        widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        row.addWidget(widget, 1)
    return row
