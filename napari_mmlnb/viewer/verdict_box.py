"""The model's answer, or why it gives none."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from napari_mmlnb.result import RunResult
from napari_mmlnb.viewer import wording
from napari_mmlnb.viewer.probability_table import ProbabilityTable, class_chip
from napari_mmlnb.viewer.section import Section, say, wrapped_label


class VerdictBox(Section):
    """Prediction with probabilities, or the reasons of an abstention and nothing that could be read as a class."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("The model's answer", parent)
        self.headline = wrapped_label(role="strong")
        self._chip: QLabel | None = None
        self._head = QHBoxLayout()
        self._head.addWidget(self.headline, 1)
        self.body.addLayout(self._head)
        self.reasons = self.add_text(role="notice")
        self.table = ProbabilityTable()
        self.body.addWidget(self.table)
        self.prediction_set = self.add_text()
        self.text_trust = self.add_text(role="quiet")
        self.coverage = self.add_text(role="quiet")
        self.shift = self.add_text(role="quiet")
        self.quality = self.add_text(role="quiet")
        self.model = self.add_text(role="quiet")

    def show_result(self, result: RunResult) -> None:
        """Show the answer of a run."""
        self._set_chip(result)
        self.headline.setText(wording.headline(result))
        say(self.reasons, "\n".join(reason.text for reason in result.abstain_reasons))
        self.table.set_rows(wording.probability_rows(result))
        say(self.prediction_set, wording.prediction_set_line(result))
        say(self.text_trust, wording.text_trust_line(result))
        say(self.coverage, wording.coverage_line(result))
        say(self.shift, wording.shift_line(result))
        say(self.quality, wording.quality_line(result))
        say(self.model, f"Answered by {result.model.name} {result.model.version} ({result.model.system}).")

    def _set_chip(self, result: RunResult) -> None:
        if self._chip is not None:
            self._head.removeWidget(self._chip)
            self._chip.hide()
            self._chip.deleteLater()
            self._chip = None
        if result.decision == "predict" and result.prediction is not None:
            self._chip = class_chip(result.class_record(result.prediction).colour)
            self._head.insertWidget(0, self._chip)
