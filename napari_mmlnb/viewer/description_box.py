"""What was said and measured, each sentence with the tiles that it speaks of."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_mmlnb.result import Evidence, RunResult
from napari_mmlnb.viewer import wording
from napari_mmlnb.viewer.generated_text import GeneratedText, sentence_label
from napari_mmlnb.viewer.section import Section, say, wrapped_label


class DescriptionBox(Section):
    """A model's words where there are any, then the measured findings, and the numbers of the tile looked at.

    Signals
    -------
    tile_asked : int
        Rank of the tile to go to.
    """

    tile_asked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Description", parent)
        self.generated = GeneratedText()
        self.generated.tile_asked.connect(self.tile_asked)
        self.body.addWidget(self.generated)
        self.findings_title = self.add_text(role="title")
        self._holder = QVBoxLayout()
        self._holder.setSpacing(4)
        self.body.addLayout(self._holder)
        self._sentences: QWidget | None = None
        self.source = self.add_text(role="quiet")
        self.measured_title = self.add_text(role="title")
        self._numbers_holder = QVBoxLayout()
        self.body.addLayout(self._numbers_holder)
        self._numbers: QWidget | None = None

    def show_result(self, result: RunResult) -> None:
        """Show a run's description."""
        description = result.description
        self.generated.show_description(result.generated, result.words_caution)
        say(self.findings_title, "Measured findings" if result.generated is not None else "")
        block = QWidget()
        column = QVBoxLayout(block)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for sentence in description.sentences if description else ():
            column.addWidget(self._sentence(sentence.text, sentence.evidence))
        if description and not description.sentences:
            column.addWidget(wrapped_label(description.text))
        self._sentences = _replace(self._holder, self._sentences, block)
        say(self.source, f"Described by: {description.describer}." if description else "")
        self.show_measurements(result.evidence[0] if result.evidence else None)
        self.setVisible(description is not None)

    def show_words(self, result: RunResult) -> None:
        """Show what a model has said of a run that is shown already."""
        self.generated.show_description(result.generated, result.words_caution)

    def show_measurements(self, evidence: Evidence | None) -> None:
        """Show the numbers of one tile."""
        measurements = evidence.measurements if evidence is not None else ()
        block = QWidget()
        column = QVBoxLayout(block)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for measured in measurements:
            row = QHBoxLayout()
            row.addWidget(wrapped_label(measured.name), 1)
            row.addWidget(QLabel(wording.measurement_words(measured)), 0, Qt.AlignmentFlag.AlignTop)
            column.addLayout(row)
        self._numbers = _replace(self._numbers_holder, self._numbers, block)
        say(self.measured_title, f"Measured on tile {evidence.rank}" if evidence and measurements else "")

    def _sentence(self, text: str, ranks: tuple[int, ...]) -> QLabel:
        label = sentence_label(text, ranks)
        label.linkActivated.connect(lambda href: self.tile_asked.emit(int(href)))
        return label


def _replace(holder: QVBoxLayout, old: QWidget | None, new: QWidget) -> QWidget:
    if old is not None:
        holder.removeWidget(old)
        old.hide()
        old.deleteLater()
    holder.addWidget(new)
    return new
