"""Which slide is looked at: open one, or choose among those that are open; what its file says of it."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_mmlnb.viewer.damage_list import DamageList
from napari_mmlnb.viewer.section import Section, say, wrapped_label
from napari_mmlnb.viewer.slide_facts import SlideFacts
from napari_mmlnb.viewer.still_bar import StillBar

PATIENCE_MS = 300
NO_SLIDE = "No slide is open. Open one, or drop a slide file on the canvas."


class SlideBox(Section):
    """Chooser of the open slides, with an Open button and the facts of the chosen one.

    Signals
    -------
    chosen : int
        Position of the slide that the person chose.
    open_asked, folder_asked, address_asked
        The person wants to open a file, a folder (DICOM, OME-Zarr), or a slide at a URL.
    cancel_asked
        The person will not wait for the slide that is being opened.
    """

    chosen = Signal(int)
    open_asked = Signal()
    folder_asked = Signal()
    address_asked = Signal()
    cancel_asked = Signal()

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
        self.more_button = QPushButton("▾")
        self.more_button.setAccessibleName("Other ways to open a slide")
        self.more_button.setToolTip("Open a folder (DICOM, OME-Zarr) or an address (https, s3)")
        self.more_button.setFixedWidth(26)
        self.menu = QMenu(self.more_button)
        self.folder_action = self.menu.addAction("Open a folder (DICOM, OME-Zarr)…")
        self.address_action = self.menu.addAction("Open an address (https, s3, gs)…")
        row = QHBoxLayout()
        row.addWidget(self.chooser, 1)
        row.addWidget(self.open_button)
        row.addWidget(self.more_button)
        self.body.addLayout(row)
        self.opening = _Opening()
        self.body.addWidget(self.opening)
        self.error = self.add_text(role="error")
        self.hint = self.add_text(role="quiet")
        self.facts = SlideFacts()
        self.body.addWidget(self.facts)
        self.notes = self.add_text(role="error")
        self.damage = DamageList()
        self.body.addWidget(self.damage)
        self.chooser.activated.connect(self.chosen)
        self.open_button.clicked.connect(self.open_asked)
        self.more_button.clicked.connect(self._show_menu)
        self.folder_action.triggered.connect(self.folder_asked)
        self.address_action.triggered.connect(self.address_asked)
        self.opening.cancel_button.clicked.connect(self.cancel_asked)
        self.facts.damage_changed.connect(self.damage.show_tiles)
        self.set_slides((), -1)
        self.end_opening()

    def set_slides(self, names: Sequence[str], current: int) -> None:
        """List the open slides and mark the chosen one; -1 for none."""
        self.chooser.clear()
        self.chooser.addItems(list(names))
        self.chooser.setCurrentIndex(current)
        self.chooser.setEnabled(bool(names))
        say(self.hint, "" if names else NO_SLIDE)

    def show_slide(self, slide) -> None:
        """Show what is known of the chosen slide; None for no slide."""
        say(self.error, "")
        self.damage.set_slide(slide)
        self.facts.set_slide(slide)
        say(self.notes, "" if slide is None else "\n".join(slide.metadata.notes))

    def begin_opening(self, name: str) -> None:
        """Show at once that a slide is being opened."""
        say(self.error, "")
        say(self.hint, "")
        self.opening.begin(f"Opening {name}…")
        self._set_opening(True)

    def end_opening(self, error: str = "") -> None:
        """Back to rest; say why a slide could not be opened."""
        self.opening.end()
        self._set_opening(False)
        say(self.hint, NO_SLIDE if self.chooser.count() == 0 else "")
        say(self.error, error)

    def _show_menu(self) -> None:
        self.menu.popup(self.more_button.mapToGlobal(self.more_button.rect().bottomLeft()))

    def _set_opening(self, opening: bool) -> None:
        self.opening.setVisible(opening)
        self.open_button.setEnabled(not opening)
        self.more_button.setEnabled(not opening)


class _Opening(QWidget):
    """Says that a slide is being opened; where that takes its time, how long it has taken, and the way out.

    Most slides open in less than a tenth of a second: a bar that comes and goes would only flicker.
    """

    def __init__(self) -> None:
        super().__init__()
        self.label = wrapped_label(role="quiet")
        self.bar = StillBar("The slide is being opened")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Do not open this slide")
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(lambda: self._show_bar(True))
        row = QHBoxLayout()
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        layout.addLayout(row)

    def begin(self, words: str) -> None:
        """Say what is being opened."""
        self.label.setText(words)
        self._show_bar(False)
        self.bar.begin()
        self._patience.start()

    def end(self) -> None:
        """It is open, or it is not."""
        self._patience.stop()
        self.bar.end()
        self._show_bar(False)

    def _show_bar(self, shown: bool) -> None:
        self.bar.setVisible(shown)
        self.cancel_button.setVisible(shown)
