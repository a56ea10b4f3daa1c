"""The folder of a describing model of one's own: chosen, and looked at before a run is asked for."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QPushButton, QVBoxLayout, QWidget

from napari_mmlnb.errors import MmlnbError
from napari_mmlnb.viewer.section import breakable, say, wrapped_label

NONE_YET = "Choose the folder of a describing model, or of a LoRA adapter."


class DescriberFolder(QWidget):
    """A button, the folder that was chosen, and what is wrong with it.

    Signals
    -------
    changed
        Another folder was chosen.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.path: Path | None = None
        self.problem = NONE_YET
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.button = QPushButton("Choose a folder…")
        self.button.setToolTip("The folder of a model as transformers saves it, or of a LoRA adapter")
        self.chosen = wrapped_label()
        self.missing = wrapped_label(role="quiet")
        for part in (self.button, self.chosen, self.missing):
            column.addWidget(part)
        self.button.clicked.connect(self._ask)
        self._tell()

    def choose(self, folder: Path) -> None:
        """Take a folder; nothing of it is loaded."""
        from napari_mmlnb.describe.registry import check_folder  # noqa: PLC0415 - not before somebody wants it

        self.path, self.problem = folder, ""
        try:
            check_folder(folder)
        except MmlnbError as error:
            self.problem = str(error)
        self._tell()
        self.changed.emit()

    def _ask(self) -> None:
        start = str(self.path) if self.path is not None else ""
        name = QFileDialog.getExistingDirectory(self, "Choose the folder of a describing model", start)
        if name:
            self.choose(Path(name))

    def _tell(self) -> None:
        say(self.chosen, breakable(str(self.path)) if self.path is not None else "")
        say(self.missing, self.problem)
