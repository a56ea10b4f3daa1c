"""The latest sentences of a describing model while it describes: not the description yet."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_mmlnb.result import GeneratedSentence
from napari_mmlnb.viewer import wording
from napari_mmlnb.viewer.section import Section, say, wrapped_label

LATEST = 4


class SaidBox(Section):
    """Gone as soon as the run has ended."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Being described", parent)
        self._holder = QVBoxLayout()
        self._holder.setSpacing(4)
        self.body.addLayout(self._holder)
        self.note = self.add_text(role="quiet")
        self._shown: list[QLabel] = []
        self._count = 0
        self.hide()

    def show_said(self, said: Sequence[GeneratedSentence]) -> None:
        """Show the last of the sentences so far."""
        if len(said) == self._count:
            return
        self._empty()
        self._count = len(said)
        for sentence in said[-LATEST:]:
            label = wrapped_label(wording.said_line(sentence), role="notice" if sentence.contradicted_by else "")
            self._shown.append(label)
            self._holder.addWidget(label)
        say(self.note, f"{len(said)} sentences so far, the last ones shown. Provisional: put together at the end.")
        self.setVisible(bool(said))

    def clear(self) -> None:
        """Show nothing."""
        self.hide()
        self._empty()
        self._count = 0

    @property
    def texts(self) -> list[str]:
        """What is shown."""
        return [label.text() for label in self._shown]

    def _empty(self) -> None:
        for label in self._shown:
            self._holder.removeWidget(label)
            label.hide()
            label.deleteLater()
        self._shown = []
