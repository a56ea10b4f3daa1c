"""Which bundle answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy, QWidget

from napari_mmlnb.viewer.section import Section, say

if TYPE_CHECKING:
    from napari_mmlnb.bundles.registry import BundleFacts

LOOKING = "Looking for models…"
NO_MODEL = "No model bundle is installed. Reinstall napari-mmlnb, or give the folder of a bundle on the command line."


class ModelBox(Section):
    """Chooser of the model bundles, with what the chosen one is.

    Signals
    -------
    changed
        Another bundle was chosen.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Model", parent)
        self._bundles: tuple[BundleFacts, ...] = ()
        self.chooser = QComboBox()
        self.chooser.setAccessibleName("Model bundle")
        self.chooser.setToolTip("The model bundle that classifies the slide")
        self.chooser.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.chooser.setMinimumContentsLength(8)
        self.chooser.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.chooser.setEnabled(False)
        self.body.addWidget(self.chooser)
        self.facts = self.add_text(role="quiet")
        self.error = self.add_text(role="error")
        say(self.facts, LOOKING)
        self.chooser.currentIndexChanged.connect(self._tell)

    def set_bundles(self, bundles: Sequence[BundleFacts]) -> None:
        """Offer these bundles, the first one chosen."""
        self._bundles = tuple(bundles)
        self.chooser.blockSignals(True)
        self.chooser.clear()
        self.chooser.addItems([f"{b.name} {b.version}" for b in self._bundles])
        self.chooser.setEnabled(bool(self._bundles))
        self.chooser.blockSignals(False)
        self._tell()

    def set_error(self, text: str) -> None:
        """Say why there are no bundles to choose from."""
        say(self.facts, "")
        say(self.error, text)

    @property
    def bundle(self) -> BundleFacts | None:
        """The chosen bundle; None where there is none."""
        index = self.chooser.currentIndex()
        return self._bundles[index] if index >= 0 else None

    def _tell(self) -> None:
        bundle = self.bundle
        say(self.facts, f"{bundle.summary} Licence: {bundle.licence}." if bundle else NO_MODEL)
        self.changed.emit()
