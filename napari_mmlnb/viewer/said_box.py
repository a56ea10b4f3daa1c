"""The latest sentences of a describing model while it describes: not the description yet."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from qtpy.QtWidgets import QWidget

from napari_mmlnb.result import GeneratedSentence
from napari_mmlnb.viewer import wording
from napari_mmlnb.viewer.section import Section, say, style_as

LATEST = 4


class SaidBox(Section):
    """Gone as soon as the run has ended."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Being described", parent)
        # Kept and filled anew: labels that come and go with each sentence would flicker.
        self._labels = [self.add_text() for _ in range(LATEST)]
        self.note = self.add_text(role="quiet")
        self.hide()

    def show_said(self, said: Sequence[GeneratedSentence]) -> None:
        """Show the last of the sentences so far."""
        latest = list(said[-LATEST:])
        for label, sentence in zip_longest(self._labels, latest):
            style_as(label, "notice" if sentence is not None and sentence.contradicted_by else "")
            say(label, wording.said_line(sentence) if sentence is not None else "")
        say(self.note, f"{len(said)} sentences so far, the last ones shown. Provisional: put together at the end.")
        self.setVisible(bool(said))

    def clear(self) -> None:
        """Show nothing, and keep nothing that could be read."""
        self.hide()
        for label in (*self._labels, self.note):
            say(label, "")

    @property
    def texts(self) -> list[str]:
        """What is shown."""
        return [label.text() for label in self._labels if label.text()]
