"""What a describing model says it sees, each sentence with its tiles, and what was measured against it."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_mmlnb.result import GeneratedDescription, GeneratedSentence
from napari_mmlnb.viewer import wording
from napari_mmlnb.viewer.section import say, wrapped_label

LINK_COLOUR = "#5aa9e6"
LINK_COLOUR_ON_MARK = "#0b4f8a"


def sentence_label(text: str, ranks: tuple[int, ...], *, mark: str = "") -> QLabel:
    """A sentence with links to its tiles; marked, with the measurement in words, where one contradicts it.

    Parameters
    ----------
    text : str
        The sentence; it may come from a model, and is shown as it is.
    ranks : tuple of int
        Of its tiles: where the links lead.
    mark : str
        What was measured against it.
    """
    label = wrapped_label(role="notice" if mark else "")
    colour = LINK_COLOUR_ON_MARK if mark else LINK_COLOUR
    links = ", ".join(
        f'<a href="{span[0]}" style="color:{colour}">{wording.span_words(span)}</a>'
        for span in wording.rank_spans(ranks)
    )
    noun = "tile" if len(ranks) == 1 else "tiles"
    shown = f"{escape(text)} [{noun} {links}]" if ranks else escape(text)
    if mark:
        shown += f"<br><b>{wording.CONTRADICTED}</b> {escape(mark)}"
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setText(shown)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
    label.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    against = f"{wording.CONTRADICTED} {mark}" if mark else ""
    label.setAccessibleName(" ".join(part for part in (text, wording.tiles_words(ranks), against) if part))
    return label


class GeneratedText(QWidget):
    """The words of a model; hidden where none was asked.

    Signals
    -------
    tile_asked : int
        Rank of the tile to go to.
    """

    tile_asked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(4)
        self.title = self._line("title")
        self.caution = self._line("notice")
        self.disagreement = self._line("notice")
        self.fallback = self._line("notice")
        self._sentences: QWidget | None = None
        self.faults = self._line("quiet")
        self.source = self._line("quiet")
        self.hide()

    def show_description(self, said: GeneratedDescription | None, caution: str = "") -> None:
        """Show what was said, or why nothing was; above it what must be known of all of it."""
        self.setVisible(said is not None)
        sentences = said.sentences if said is not None else ()
        say(self.title, wording.says_title(said) if said is not None else "")
        say(self.caution, caution)
        say(self.disagreement, said.disagreement if said is not None else "")
        say(self.fallback, said.fallback if said is not None else "")
        say(self.faults, wording.faults_line(said) if said is not None else "")
        say(self.source, wording.generated_source(said) if said is not None else "")
        self._show_sentences(sentences)

    def _show_sentences(self, sentences: tuple[GeneratedSentence, ...]) -> None:
        if self._sentences is not None:
            self._column.removeWidget(self._sentences)
            self._sentences.hide()
            self._sentences.deleteLater()
        self._sentences = QWidget()
        inside = QVBoxLayout(self._sentences)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(4)
        for sentence in sentences:
            label = sentence_label(sentence.text, sentence.evidence, mark=sentence.contradicted_by)
            label.linkActivated.connect(lambda href: self.tile_asked.emit(int(href)))
            inside.addWidget(label)
        self._column.insertWidget(self._column.indexOf(self.faults), self._sentences)

    def _line(self, role: str) -> QLabel:
        label = wrapped_label(role=role)
        label.hide()
        self._column.addWidget(label)
        return label
