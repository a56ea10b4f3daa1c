from __future__ import annotations

from napari_mmlnb.slides.findings import Findings


def test_what_was_found_once_is_not_looked_for_again() -> None:
    findings, looked = Findings(), []
    for _ in range(3):
        assert findings.once("tissue", 8.0, lambda: looked.append(1) or "mask") == "mask"
    assert len(looked) == 1


def test_another_question_of_the_same_kind_replaces_the_answer() -> None:
    findings = Findings()
    findings.put("tissue", 8.0, "coarse")
    assert findings.get("tissue", 4.0) is None
    findings.put("tissue", 4.0, "fine")
    assert findings.get("tissue", 8.0) is None
    findings.clear()
    assert findings.get("tissue", 4.0) is None
