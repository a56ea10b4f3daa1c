"""Asks for the scale of a slide that does not say it. Nothing is proposed: a guess would be taken for a fact."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLineEdit, QVBoxLayout, QWidget

from napari_mmlnb.viewer.section import wrapped_label

WIDTH_PX = 380


class MppDialog(QDialog):
    """Two fields, micrometres per pixel across and down.

    Parameters
    ----------
    path : Path
        The slide.
    why : str
        What is wrong with the scale that there is.
    """

    def __init__(self, path: Path, why: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Scale of the slide")
        self.setMinimumWidth(WIDTH_PX)
        self.x = QLineEdit()
        self.x.setPlaceholderText("for example as the scanner's sheet says")
        self.x.setAccessibleName("Micrometres per pixel, across")
        self.y = QLineEdit()
        self.y.setPlaceholderText("leave empty if it is the same")
        self.y.setAccessibleName("Micrometres per pixel, down")
        form = QFormLayout()
        form.addRow("µm per pixel, across", self.x)
        form.addRow("µm per pixel, down", self.y)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(wrapped_label(path.name, role="title"))
        layout.addWidget(wrapped_label(why))
        layout.addLayout(form)
        layout.addWidget(self.buttons)
        self.x.textChanged.connect(self._check)
        self.y.textChanged.connect(self._check)
        self._check()

    def mpp(self) -> tuple[float, float] | None:
        """Micrometres per pixel, (x, y); None while the fields hold no positive numbers."""
        x = _positive(self.x.text())
        y = x if not self.y.text().strip() else _positive(self.y.text())
        return None if x is None or y is None else (x, y)

    def _check(self) -> None:
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(self.mpp() is not None)


def _positive(text: str) -> float | None:
    try:
        # A comma is the decimal sign on half of the world's keyboards.
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


def ask_mpp(path: Path, why: str) -> tuple[float, float] | None:
    """Ask a person for the scale, (x, y) in micrometres per pixel; None where they cancel."""
    dialog = MppDialog(path, why)
    accepted = dialog.exec() == QDialog.DialogCode.Accepted
    answer = dialog.mpp() if accepted else None
    dialog.deleteLater()
    return answer
