"""What the chosen slide's file says of itself, and how full the memory for decoded tiles is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QFormLayout, QLabel, QProgressBar, QWidget

from napari_mmlnb.viewer import wording
from napari_mmlnb.viewer.section import wrapped_label

if TYPE_CHECKING:
    from napari_mmlnb.slides.slide import Slide

REFRESH_MS = 1000


class SlideFacts(QWidget):
    """Size, scale, backend and cache of a slide, one below the other.

    What changes while one looks (the cache, the damaged tiles met so far) is looked up once a second, only while the
    widget can be seen, and drawn only where it has changed.

    Signals
    -------
    damage_changed : tuple of DamagedTile
        All damaged tiles met so far.
    """

    damage_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slide: Slide | None = None
        self._damaged = 0
        self.size, self.scale, self.reader = (wrapped_label(role="quiet") for _ in range(3))
        self.cache = QProgressBar()
        self.cache.setAccessibleName("Memory for decoded tiles")
        self.cache.setToolTip("Decoded tiles that are kept in memory; when it is full, the oldest leave first")
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(2)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows = {"Size": self.size, "Scale": self.scale, "Read by": self.reader, "Cache": self.cache}
        for name, widget in rows.items():
            form.addRow(_name(name), widget)
        self._timer = QTimer(self)
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self.refresh)
        self.hide()

    def set_slide(self, slide: Slide | None) -> None:
        """Show another slide; None for none."""
        self._slide = slide
        self._damaged = 0
        if slide is not None:
            self.size.setText(wording.size_words(slide))
            self.scale.setText(wording.scale_words(slide))
            self.reader.setText(wording.reader_words(slide))
            self.refresh()
        self.setVisible(slide is not None)

    def refresh(self) -> None:
        """Look up what may have changed."""
        if self._slide is None:
            return
        self._show_cache(self._slide.cache.used_bytes, self._slide.cache.limit_bytes)
        if len(self._slide.damage) != self._damaged:
            tiles = self._slide.damage.tiles
            self._damaged = len(tiles)
            self.damage_changed.emit(tiles)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Begin to look."""
        super().showEvent(event)
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Nobody sees it: stop looking."""
        super().hideEvent(event)
        self._timer.stop()

    def _show_cache(self, used: int, limit: int) -> None:
        words = wording.cache_words(used, limit)
        if self.cache.format() != words:
            self.cache.setRange(0, max(1, limit // 2**20))
            self.cache.setValue(used // 2**20)
            self.cache.setFormat(words)


def _name(text: str) -> QLabel:
    label = QLabel(text)
    label.setStyleSheet("font-size: 12px; font-weight: bold;")
    return label
