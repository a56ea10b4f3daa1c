"""Words and rows for the docks; no Qt, no display."""

from __future__ import annotations

import pytest

from napari_mmlnb.result import Measurement
from napari_mmlnb.viewer import wording
from napari_mmlnb.viewer.session import ReviewDraft, Session
from tests.gui.runs import make_result


def test_an_abstained_run_yields_no_class_and_no_number(slide):
    result = make_result(slide, abstain=True)
    assert wording.headline(result) == wording.ABSTAINED
    assert wording.probability_rows(result) == ()
    assert wording.prediction_set_line(result) == ""
    assert wording.text_trust_line(result) == ""
    assert all(wording.contribution_words(e, result) == "" for e in result.evidence)


def test_the_predicted_class_is_marked_and_only_it(slide):
    rows = wording.probability_rows(make_result(slide))
    assert [row.record.id for row in rows if row.predicted] == ["pd"]
    assert dict(rows[1].values) == {"image": 0.71, "text": 0.62, "fused": 0.83}


def test_unreadable_tiles_are_counted_in_words(slide):
    assert "unreadable" not in wording.coverage_line(make_result(slide))
    assert "2 unreadable" in wording.coverage_line(make_result(slide, unreadable=((0, 0), (1, 1))))


def test_scale_is_said_with_its_source(slide):
    assert wording.scale_words(slide) == f"0.5 µm/px ({slide.mpp_source})"
    assert wording.size_words(slide) == "1,500 × 1,200 px, 0.75 × 0.60 mm"


@pytest.mark.parametrize(("used", "words"), [(0, "0 of 256 MB"), (103 * 2**20 + 9, "103 of 256 MB")])
def test_the_cache_is_said_in_the_units_of_its_limit(used, words):
    assert wording.cache_words(used, 256 * 2**20) == words


def test_a_slide_without_tissue_is_not_said_to_have_none_of_it_in_numbers():
    assert wording.tissue_words(0.0, 0.0) == "No tissue was found."
    assert wording.tissue_words(84.091, 0.5606) == "84.09 mm² of tissue, 56.1% of the slide"


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [(5432.1, "/mm²", "5,432 /mm²"), (0.12345, "", "0.123"), (7.93, "µm", "7.93 µm"), (0.0, "%", "0 %")],
)
def test_numbers_have_no_false_digits(value, unit, words):
    assert wording.measurement_words(Measurement(name="n", value=value, unit=unit)) == words


@pytest.mark.parametrize(
    ("ranks", "words"),
    [((), ""), ((2,), "tile 2"), ((1, 3), "tiles 1, 3"), ((3, 1, 2, 2), "tiles 1–3"), ((1, 2, 4), "tiles 1–2, 4")],
)
def test_tiles_are_named(ranks, words):
    assert wording.tiles_words(ranks) == words


def test_a_review_is_made_only_of_what_the_reader_typed(slide):
    session = Session(slide)
    session.finish(make_result(slide))
    assert session.review() is None
    session.draft = ReviewDraft(reader=" A. B. ", decision="", reason=" ")
    review = session.review()
    assert (review.reader, review.decision, review.reason, review.run_id) == ("A. B.", "", "", "run-1")


def test_attention_of_a_new_abstained_run_has_to_be_asked_for_anew(slide):
    session = Session(slide)
    session.finish(make_result(slide, abstain=True))
    session.attention_asked_for = True
    session.finish(make_result(slide, abstain=True))
    assert not session.attention_asked_for
