"""The tiles that carried the answer: picture, rank, numbers and sentences; walking the list walks the slide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from qtpy.QtCore import QModelIndex, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QFontMetrics, QIcon, QImage, QPainter, QPalette, QPixmap, QResizeEvent
from qtpy.QtWidgets import (
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from napari_mmlnb.result import Evidence, RunResult
from napari_mmlnb.viewer import wording
from napari_mmlnb.viewer.section import Section, say

THUMBNAIL_PX = 84
PAD_PX = 6
MAX_HEIGHT_PX = 360
DETAIL_ROLE = Qt.ItemDataRole.UserRole
BRIEF_ROLE = Qt.ItemDataRole.UserRole + 1
MARK_GROUND, MARK_INK, MARK_PAD_PX = QColor("#ffd666"), QColor("#1a1a1a"), 3
"""Of what contradicts a sentence: as a notice, 12 to 1 in contrast, and said in words besides."""
HINT = "Up and Down walk the tiles, Enter goes to the chosen one."
WRAP = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop


def pixmap_of(rgb: np.ndarray, size: int) -> QPixmap:
    """A picture, (h, w, 3) uint8, scaled to fit a square."""
    data = np.ascontiguousarray(rgb)
    image = QImage(data.data, data.shape[1], data.shape[0], data.strides[0], QImage.Format.Format_RGB888)
    # QPixmap copies, so that the array need not outlive it.
    return QPixmap.fromImage(image).scaled(
        size, size, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )


class EvidenceDelegate(QStyledItemDelegate):
    """Draws picture, heading and wrapped text, as high as the text needs; the chosen row says all of its sentences."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:  # noqa: N802 - Qt's name
        """Full width, and as high as picture or text."""
        width = option.widget.viewport().width() if option.widget is not None else option.rect.width()
        text_width = max(width - THUMBNAIL_PX - 3 * PAD_PX, 60)
        heading, detail = self._heights(option, index, text_width)
        return QSize(width, max(THUMBNAIL_PX, heading + detail) + 2 * PAD_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Draw one row."""
        painter.save()
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen:
            painter.fillRect(option.rect, option.palette.brush(QPalette.ColorRole.Highlight))
        area = option.rect.adjusted(PAD_PX, PAD_PX, -PAD_PX, -PAD_PX)
        icon = index.data(Qt.ItemDataRole.DecorationRole)
        if isinstance(icon, QIcon):
            icon.paint(painter, QRect(area.x(), area.y(), THUMBNAIL_PX, THUMBNAIL_PX), Qt.AlignmentFlag.AlignTop)
        role = QPalette.ColorRole.HighlightedText if chosen else QPalette.ColorRole.Text
        painter.setPen(option.palette.color(role))
        left = area.x() + THUMBNAIL_PX + PAD_PX
        text_width = area.right() - left + 1
        heading_height, _ = self._heights(option, index, text_width)
        painter.setFont(self._bold(option.font))
        painter.drawText(
            QRect(left, area.y(), text_width, heading_height), WRAP, index.data(Qt.ItemDataRole.DisplayRole)
        )
        painter.setFont(option.font)
        top = area.y() + heading_height
        metrics = self._metrics(option.font, option)
        for line in self._lines(option, index):
            height = self._height(metrics, line, text_width)
            self._draw_line(painter, QRect(left, top, text_width, height), line, option.palette.color(role))
            top += height
        painter.restore()

    @staticmethod
    def _draw_line(painter: QPainter, room: QRect, line: wording.Line, colour: QColor) -> None:
        if line.marked:
            painter.fillRect(room, MARK_GROUND)
        painter.setPen(MARK_INK if line.marked else colour)
        painter.drawText(
            room.adjusted(*((MARK_PAD_PX, 0, -MARK_PAD_PX, 0) if line.marked else (0, 0, 0, 0))), WRAP, line.text
        )

    @staticmethod
    def _height(metrics: QFontMetrics, line: wording.Line, width: int) -> int:
        room = QRect(0, 0, width - (2 * MARK_PAD_PX if line.marked else 0), 10_000)
        return metrics.boundingRect(room, WRAP, line.text).height()

    def _heights(self, option: QStyleOptionViewItem, index: QModelIndex, width: int) -> tuple[int, int]:
        room = QRect(0, 0, width, 10_000)
        bold, plain = self._metrics(self._bold(option.font), option), self._metrics(option.font, option)
        heading = bold.boundingRect(room, WRAP, index.data(Qt.ItemDataRole.DisplayRole)).height()
        return heading, sum(self._height(plain, line, width) for line in self._lines(option, index))

    @staticmethod
    def _lines(option: QStyleOptionViewItem, index: QModelIndex) -> tuple[wording.Line, ...]:
        rows = option.widget
        chosen = isinstance(rows, QListWidget) and rows.currentRow() == index.row()
        return tuple(index.data(DETAIL_ROLE if chosen else BRIEF_ROLE) or ())

    @staticmethod
    def _bold(font: QFont) -> QFont:
        bold = QFont(font)
        bold.setBold(True)
        return bold

    @staticmethod
    def _metrics(font: QFont, option: QStyleOptionViewItem) -> QFontMetrics:
        return QFontMetrics(font, option.widget) if option.widget is not None else QFontMetrics(font)


class EvidenceWidget(QListWidget):
    """A list whose rows are laid out anew when its width changes."""

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Wrap the text at the new width."""
        super().resizeEvent(event)
        self.scheduleDelayedItemsLayout()
        if event.size().width() != event.oldSize().width():
            self.fit()

    def fit(self) -> None:
        """Be as high as the rows, up to a limit."""
        rows = sum(self.sizeHintForRow(i) for i in range(self.count()))
        self.setFixedHeight(min(rows + 2 * self.frameWidth() + PAD_PX, MAX_HEIGHT_PX))


class EvidenceList(Section):
    """The list with its heading.

    Signals
    -------
    chosen : int
        Position of the tile to go to.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Evidence", parent)
        self.note = self.add_text(role="quiet")
        self.list = EvidenceWidget()
        self.list.setAccessibleName("Evidence tiles")
        self.list.setToolTip(HINT)
        self.list.setItemDelegate(EvidenceDelegate(self.list))
        self.list.setIconSize(QSize(THUMBNAIL_PX, THUMBNAIL_PX))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.list.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.body.addWidget(self.list)
        self.list.currentRowChanged.connect(self._go)
        self.list.itemClicked.connect(lambda item: self._go(self.list.row(item)))
        self.list.itemActivated.connect(lambda item: self._go(self.list.row(item)))

    def show_result(self, result: RunResult, *, with_attention: bool) -> None:
        """List the evidence of a run.

        Parameters
        ----------
        result : RunResult
            Its maps, where it has them, give the pictures.
        with_attention : bool
            Whether attention may be named: not for an abstained run that nobody asked to see it of.
        """
        tiles: Sequence[np.ndarray] = result.maps.evidence_tiles if result.maps is not None else ()
        self.list.blockSignals(True)
        self.list.clear()
        for i, evidence in enumerate(result.evidence):
            item = QListWidgetItem(self._heading(i, result, with_attention))
            self._tell(item, evidence, result)
            item.setIcon(QIcon(pixmap_of(tiles[i], THUMBNAIL_PX)) if i < len(tiles) else QIcon())
            self.list.addItem(item)
        self.list.setCurrentRow(-1)
        self.list.fit()
        self.list.blockSignals(False)
        abstained = result.decision == "abstain"
        self.title.setText("Described tiles" if abstained else "Evidence")
        say(self.note, "Tiles that were described; they are no evidence for any class." if abstained else HINT)
        self.setVisible(bool(result.evidence))

    def show_words(self, result: RunResult) -> None:
        """Add what a model has said to the tiles of a run that is listed already; the chosen one stays chosen."""
        self.list.blockSignals(True)
        for row, evidence in enumerate(result.evidence):
            self._tell(self.list.item(row), evidence, result)
        self.list.scheduleDelayedItemsLayout()
        self.list.fit()
        self.list.blockSignals(False)

    @staticmethod
    def _tell(item: QListWidgetItem, evidence: Evidence, result: RunResult) -> None:
        lines = wording.tile_lines(evidence, result.generated)
        item.setData(DETAIL_ROLE, lines)
        item.setData(BRIEF_ROLE, wording.brief_lines(lines))
        spoken = f"{item.text()}. {' '.join(line.text for line in lines)}"
        item.setData(Qt.ItemDataRole.AccessibleTextRole, spoken)

    def choose(self, index: int) -> None:
        """Choose a tile as if it had been clicked."""
        if self.list.currentRow() == index:
            self._go(index)
        else:
            self.list.setCurrentRow(index)

    @staticmethod
    def _heading(index: int, result: RunResult, with_attention: bool) -> str:
        evidence = result.evidence[index]
        parts = [f"Tile {evidence.rank}"]
        if with_attention:
            parts.append(wording.attention_words(evidence))
        contribution = wording.contribution_words(evidence, result)
        if contribution:
            parts.append(contribution)
        return " · ".join(parts)

    def _go(self, row: int) -> None:
        if row >= 0:
            self.list.scheduleDelayedItemsLayout()
            self.list.fit()
            self.list.scrollToItem(self.list.item(row))
            self.chosen.emit(row)
