"""What the heatmap shows, how strongly, and what its colours mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QSizePolicy, QSlider, QVBoxLayout, QWidget

from napari_mmlnb.report.colour_map import TISSUE_RGB, blend
from napari_mmlnb.result import ClassRecord
from napari_mmlnb.viewer.section import Section, say

NO_CLASS = ""
"""Not None: PySide6 6.12 loses a reference whenever None is read from an item, which crashes Python 3.11 in the end."""
ASK = "Show the attention anyway (not valid for this slide)"
WHY_NOT = "It is not valid for this slide: the model abstained."
ATTENTION_UNIT = "Attention in units of the slide's mean: 1 is average. The scale is fixed for the model."
CONTRIBUTION_UNIT = "Share of the image branch's score for the class: blue speaks against it, yellow for it."


class ColourBar(QWidget):
    """A strip of the colour map as it looks over tissue, with the ends of its scale."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._strip = _Strip()
        self.low, self.high = QLabel(), QLabel()
        ends = QHBoxLayout()
        ends.addWidget(self.low)
        ends.addStretch(1)
        ends.addWidget(self.high)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addWidget(self._strip)
        layout.addLayout(ends)

    def set_scale(self, rgba: np.ndarray, limits: tuple[float, float], unit: str) -> None:
        """Show (n, 4) colours from 0 to 1 between two values."""
        self._strip.set_colours(blend(rgba, TISSUE_RGB))
        self.low.setText(f"{limits[0]:.3g}{unit}")
        self.high.setText(f"{limits[1]:.3g}{unit}")


class _Strip(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self._image = QImage()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(120, 12)

    def set_colours(self, rgb: np.ndarray) -> None:
        self._image = QImage(len(rgb), 1, QImage.Format.Format_RGB32)
        for i, colour in enumerate(rgb):
            self._image.setPixelColor(i, 0, QColor.fromRgbF(*(float(c) for c in colour)))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's signature
        painter = QPainter(self)
        painter.drawImage(QRectF(self.rect()), self._image)
        painter.end()


class AttentionBox(Section):
    """Controls of the heatmap.

    Signals
    -------
    chosen : object
        None for attention, else the id of the class whose contribution is to be shown.
    opacity_changed : float
        0 to 1.
    asked : bool
        The person wants, or no longer wants, to see the attention of an abstained run.
    """

    chosen = Signal(object)
    opacity_changed = Signal(float)
    asked = Signal(bool)

    def __init__(self, opacity: float, parent: QWidget | None = None) -> None:
        super().__init__("Where the model looked", parent)
        self.ask = QCheckBox("Show the attention anyway")
        self.ask.setToolTip(ASK)
        self.ask_note = self.add_text(role="quiet")
        self.body.insertWidget(0, self.ask)
        self.controls = QWidget()
        self.chooser = QComboBox()
        self.chooser.setAccessibleName("What the heatmap shows")
        self.chooser.setToolTip("Attention, or how far each tile spoke for or against a class")
        self.chooser.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.chooser.setMinimumContentsLength(8)
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setAccessibleName("Opacity of the heatmap")
        self.opacity.setToolTip("Opacity of the heatmap")
        self.opacity.setRange(0, 100)
        self.opacity.setValue(round(opacity * 100))
        self.colour_bar = ColourBar()
        row = QHBoxLayout()
        row.addWidget(QLabel("Opacity"))
        row.addWidget(self.opacity, 1)
        layout = QVBoxLayout(self.controls)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.chooser)
        layout.addWidget(self.colour_bar)
        layout.addLayout(row)
        self.body.addWidget(self.controls)
        self.unit = self.add_text(role="quiet")
        self.chooser.activated.connect(lambda: self.chosen.emit(self.class_id))
        self.opacity.valueChanged.connect(lambda value: self.opacity_changed.emit(value / 100))
        self.ask.toggled.connect(self.asked)

    @property
    def class_id(self) -> str | None:
        """The class whose contribution is chosen; None for attention."""
        return self.chooser.currentData() or None

    def offer(self, classes: Sequence[ClassRecord]) -> None:
        """List what can be shown; no classes for an abstained run, which names none."""
        self.chooser.clear()
        self.chooser.addItem("Attention", NO_CLASS)
        for record in classes:
            self.chooser.addItem(f"Contribution to {record.label}", record.id)

    def set_abstained(self, abstained: bool, asked_for: bool) -> None:
        """Hide the controls until the attention of an abstained run is asked for."""
        self.ask.blockSignals(True)
        self.ask.setChecked(asked_for)
        self.ask.blockSignals(False)
        self.ask.setVisible(abstained)
        say(self.ask_note, WHY_NOT if abstained else "")
        shown = asked_for or not abstained
        self.controls.setVisible(shown)
        self.unit.setVisible(shown)

    def set_scale(self, rgba: np.ndarray, limits: tuple[float, float]) -> None:
        """Explain the colours that are shown."""
        attention = self.class_id is None
        self.colour_bar.set_scale(rgba, limits, " × mean" if attention else "")
        self.unit.setText(ATTENTION_UNIT if attention else CONTRIBUTION_UNIT)
