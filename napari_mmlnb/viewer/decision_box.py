"""The reader's own decision: apart from the model's, and empty until the reader fills it."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QComboBox, QLabel, QLineEdit, QSizePolicy, QTextEdit, QVBoxLayout, QWidget

from napari_mmlnb.result import ClassRecord
from napari_mmlnb.viewer.section import Section
from napari_mmlnb.viewer.session import ReviewDraft

CANNOT_SAY = "Cannot say"


class CalmComboBox(QComboBox):
    """A chooser that scrolling past it does not change."""

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Let the dock scroll instead."""
        event.ignore()


class DecisionBox(Section):
    """Initials, decision and reason.

    Signals
    -------
    changed : ReviewDraft
        The reader typed or chose something.
    """

    changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Your decision", parent)
        self.reader = QLineEdit()
        self.reader.setPlaceholderText("Name or initials")
        self.decision = CalmComboBox()
        self.decision.setEditable(True)
        self.decision.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.decision.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.decision.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.decision.setMinimumContentsLength(8)
        self.decision.lineEdit().setPlaceholderText("Choose, or write your own")
        self.reason = QTextEdit()
        self.reason.setAcceptRichText(False)
        self.reason.setTabChangesFocus(True)
        self.reason.setPlaceholderText("Why (optional)")
        self.reason.setFixedHeight(64)
        self._ids: dict[str, str] = {}
        self._add_field("Reader", self.reader, "Who decides; saved with the decision")
        self._add_field("Decision", self.decision, "What you decide; it starts empty and is never filled by the model")
        self._add_field("Reason", self.reason, "What made you decide so; saved with the decision")
        self.reader.textChanged.connect(self._tell)
        self.decision.editTextChanged.connect(self._tell)
        self.reason.textChanged.connect(self._tell)

    def set_classes(self, classes: Sequence[ClassRecord]) -> None:
        """Offer the bundle's classes; clears the choice."""
        self._ids = {c.label: c.id for c in classes}
        self.decision.blockSignals(True)
        self.decision.clear()
        self.decision.addItems([*self._ids, CANNOT_SAY])
        self.decision.setCurrentIndex(-1)
        self.decision.setEditText("")
        self.decision.blockSignals(False)

    def draft(self) -> ReviewDraft:
        """What the fields hold; a class by its id, anything else as it was typed."""
        text = self.decision.currentText().strip()
        return ReviewDraft(self.reader.text(), self._ids.get(text, text), self.reason.toPlainText())

    def set_draft(self, draft: ReviewDraft) -> None:
        """Fill the fields from a draft."""
        labels = {class_id: label for label, class_id in self._ids.items()}
        for field in (self.reader, self.decision, self.reason):
            field.blockSignals(True)
        self.reader.setText(draft.reader)
        self.decision.setEditText(labels.get(draft.decision, draft.decision))
        self.reason.setPlainText(draft.reason)
        for field in (self.reader, self.decision, self.reason):
            field.blockSignals(False)

    def _add_field(self, name: str, field: QWidget, tip: str) -> None:
        label = QLabel(name)
        label.setBuddy(field)
        field.setAccessibleName(name)
        field.setToolTip(tip)
        column = QVBoxLayout()
        column.setSpacing(2)
        column.addWidget(label, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(field)
        self.body.addLayout(column)

    def _tell(self) -> None:
        self.changed.emit(self.draft())
