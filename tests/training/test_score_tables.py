"""A table says what an interval is worth, and which order of the classes kappa rests on."""

from __future__ import annotations

import json

import numpy as np

from napari_mmlnb.training.score_tables import score_record, score_table
from napari_mmlnb.training.scores import score_with_intervals


def _report(patients: int):
    truth = np.arange(patients) % 3
    return score_with_intervals(truth, np.eye(3)[truth], list(range(patients)), rounds=50)


def test_kappa_names_its_order() -> None:
    lines = score_table({"fused": _report(30)}, ("ud", "pd", "d"))
    assert any(line.startswith("| kappa (ud < pd < d) |") for line in lines)
    assert any("classes in their order" in line for line in score_table({"fused": _report(30)}))


def test_few_patients_are_said_to_be_few() -> None:
    assert score_table({"fused": _report(3)})[-1].startswith("3 patients: so few tell little")
    assert not any("so few" in line for line in score_table({"fused": _report(30)}))


def test_what_has_no_meaning_is_said_in_words_and_is_null_in_json() -> None:
    report = score_with_intervals([1, 1], np.eye(3)[[1, 1]], ["a", "b"], rounds=50)
    lines = score_table({"fused": report})
    assert "nan" not in "\n".join(lines)
    assert "| auroc | not defined here |" in lines
    record = score_record(report)
    assert "NaN" not in json.dumps(record)
    assert record["intervals"]["auroc"] == [None, None]
