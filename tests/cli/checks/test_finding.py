from __future__ import annotations

from napari_mmlnb.cli.checks.finding import Check, Finding, State, findings_of


def test_a_check_that_breaks_is_a_finding_beside_what_it_had_found():
    def examine():
        yield Finding("one", State.OK, "works")
        raise ImportError("libfoo.so.1: cannot open /home/somebody/lib/libfoo.so.1")

    one, broken = findings_of(Check("thing", "", examine))
    assert one.name == "one"
    assert (broken.name, broken.state) == ("thing", State.PROBLEM)
    assert "ImportError" in broken.text
    assert "somebody" not in broken.text
    assert broken.remedy
