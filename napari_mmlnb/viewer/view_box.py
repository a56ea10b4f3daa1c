"""How the slide is looked at: magnification, outline of the tissue, colours."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from napari_mmlnb.viewer.camera import MAGNIFICATIONS, UM_PER_PX_AT_1X
from napari_mmlnb.viewer.section import Section, say

FIT_KEY = "Ctrl+0"
TISSUE_HINT = "Outline what is taken for tissue: only there does a run look"
SRGB_HINT = (
    "Show the colours as the scanner's profile means them. Only what you see changes: models always get the pixels as "
    "they are stored."
)


class ViewBox(Section):
    """A row of magnifications and the check boxes of what is laid on the slide.

    Signals
    -------
    magnification_asked : float
        20.0 for 20x.
    fit_asked
        The person wants to see the whole slide.
    tissue_asked : bool
        The person wants, or no longer wants, to see the outline of the tissue.
    srgb_asked : bool
        The person wants colours in sRGB, or as they are stored.
    """

    magnification_asked = Signal(float)
    fit_asked = Signal()
    tissue_asked = Signal(bool)
    srgb_asked = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("View", parent)
        row = QHBoxLayout()
        row.setSpacing(2)
        self.fit_button = _button("Fit", f"The whole slide ({FIT_KEY})")
        self.fit_button.clicked.connect(self.fit_asked)
        row.addWidget(self.fit_button)
        self.magnification_buttons = {times: self._magnification_button(i, times) for i, times in _numbered()}
        for button in self.magnification_buttons.values():
            row.addWidget(button)
        self.body.addLayout(row)
        # No wrapping: its text changes while one zooms, and the dock must not be laid out anew each time.
        self.scale = QLabel()
        self.scale.setStyleSheet("font-size: 12px;")
        self.scale.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.body.addWidget(self.scale)
        self.tissue = QCheckBox("Outline of the tissue")
        self.tissue.setToolTip(TISSUE_HINT)
        self.body.addWidget(self.tissue)
        self.tissue_line = self.add_text(role="quiet")
        self.srgb = QCheckBox("Colours as sRGB (ICC)")
        self.body.addWidget(self.srgb)
        self.srgb_line = self.add_text(role="quiet")
        self.error = self.add_text(role="error")
        self.tissue.toggled.connect(self.tissue_asked)
        self.srgb.toggled.connect(self.srgb_asked)

    def show_scale(self, words: str, times: float | None) -> None:
        """Say what a screen pixel shows, and mark the magnification that it is, where it is one."""
        if self.scale.text() != words:
            self.scale.setText(words)
        for each, button in self.magnification_buttons.items():
            if button.isChecked() != (each == times):
                button.setChecked(each == times)

    def show_tissue(self, shown: bool, words: str = "") -> None:
        """Set the check box, without asking anybody, and what is said of the tissue."""
        _set_quietly(self.tissue, shown)
        say(self.tissue_line, words)

    def show_colours(self, profile: str | None, srgb: bool, problem: str = "") -> None:
        """Offer the slide's colour profile.

        Parameters
        ----------
        profile : str or None
            What it calls itself; None where the slide has none, and nothing is offered.
        srgb : bool
            Whether colours are shown in sRGB.
        problem : str
            Why it cannot be used.
        """
        self.srgb.setVisible(profile is not None)
        self.srgb.setEnabled(not problem)
        self.srgb.setToolTip(f"{SRGB_HINT} Profile: {profile or 'without a name'}.")
        _set_quietly(self.srgb, srgb)
        say(self.srgb_line, problem)

    def show_error(self, text: str) -> None:
        """Say what went wrong; an empty text takes it away."""
        say(self.error, text)

    def _magnification_button(self, number: int, times: float) -> QPushButton:
        um = UM_PER_PX_AT_1X / times
        button = _button(f"{times:g}×", f"{um:g} µm per screen pixel, like {times:g}× (Ctrl+{number})")
        button.setCheckable(True)
        button.clicked.connect(lambda: self.magnification_asked.emit(times))
        return button


def _numbered() -> enumerate:
    return enumerate(MAGNIFICATIONS, start=1)


def _button(text: str, hint: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(hint)
    button.setAccessibleName(hint)
    # Seven of them share the width of the dock.
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    button.setMinimumWidth(button.fontMetrics().horizontalAdvance(text) + 4)
    button.setStyleSheet("padding-left: 0px; padding-right: 0px;")
    return button


def _set_quietly(box: QCheckBox, checked: bool) -> None:
    box.blockSignals(True)
    box.setChecked(checked)
    box.blockSignals(False)
