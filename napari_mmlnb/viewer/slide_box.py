"""Which slide is looked at: open one, or choose among those that are open."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from napari_mmlnb.viewer.section import Section, say

NO_SLIDE = "No slide is open. Open one, or drop a slide file on the canvas."


class SlideBox(Section):
    """Chooser of the open slides, with an Open button and the facts of the chosen one.

    Signals
    -------
    chosen : int
        Position of the slide that the person chose.
    open_asked
        The person pressed Open.
    """

    chosen = Signal(int)
    open_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Slide", parent)
        self.chooser = QComboBox()
        self.chooser.setAccessibleName("Open slides")
        self.chooser.setToolTip("The slide that Classify works on")
        self.chooser.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.chooser.setMinimumContentsLength(8)
        self.chooser.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.open_button = QPushButton("Open slide…")
        self.open_button.setToolTip("Open a whole-slide image from a file")
        row = QHBoxLayout()
        row.addWidget(self.chooser, 1)
        row.addWidget(self.open_button)
        self.body.addLayout(row)
        self.error = self.add_text(role="error")
        self.facts = self.add_text(role="quiet")
        self.chooser.activated.connect(self.chosen)
        self.open_button.clicked.connect(self.open_asked)
        self.set_slides((), -1)

    def set_slides(self, names: Sequence[str], current: int) -> None:
        """List the open slides and mark the chosen one; -1 for none."""
        self.chooser.clear()
        self.chooser.addItems(list(names))
        self.chooser.setCurrentIndex(current)
        self.chooser.setEnabled(bool(names))
        if not names:
            self.set_facts(NO_SLIDE)

    def set_facts(self, text: str) -> None:
        """Size, scale and backend of the chosen slide."""
        say(self.facts, text)
        say(self.error, "")

    def set_error(self, text: str) -> None:
        """Say why a slide could not be opened."""
        say(self.error, text)
