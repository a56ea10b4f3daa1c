"""What every reader must know first: research use only, and what the chosen bundle says of itself."""

from __future__ import annotations

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_mmlnb.result import RESEARCH_USE
from napari_mmlnb.viewer.section import say, wrapped_label


class Banner(QWidget):
    """The research-use line, always there, and the bundle's own notice below it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.research_use = wrapped_label(RESEARCH_USE, role="notice")
        self.notice = wrapped_label(role="quiet")
        self.notice.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.research_use)
        layout.addWidget(self.notice)

    def set_notice(self, text: str) -> None:
        """Show what the bundle says of itself."""
        say(self.notice, text)
