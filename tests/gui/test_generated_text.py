"""What a reader sees of a model's words: whose they are, what contradicts them, and what was measured."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QLabel

from napari_mmlnb.describe.base import DescriberFacts
from napari_mmlnb.result import GeneratedDescription
from napari_mmlnb.viewer.description_box import DescriptionBox
from napari_mmlnb.viewer.evidence_list import BRIEF_ROLE, DETAIL_ROLE, MARK_GROUND, MARK_INK, EvidenceList
from tests.gui.runs import AGAINST, AWAITED, MadeUpRunner, make_generated, make_result

VLM = DescriberFacts("small-vlm", "A small model.", "MIT", generates=True)
SERVER = DescriberFacts("server", "Asks a server.", "", generates=True)
MEASURED = DescriberFacts("measured", "Measures.", "BSD-3-Clause")
OTHER = "http://192.168.0.7:8000/v1"


def _labels(widget) -> list[str]:
    return [label.text() for label in widget.findChildren(QLabel) if label.isVisibleTo(widget)]


def _shown(slide, qtbot, generated: GeneratedDescription | None, *, abstain: bool = False) -> DescriptionBox:
    result = make_result(slide, abstain=abstain)
    box = DescriptionBox()
    qtbot.add_widget(box)
    box.show_result(result.model_copy(update={"generated": generated}).with_maps(result.maps))
    return box


def test_a_model_s_words_come_first_then_what_was_measured(slide, qtbot) -> None:
    box = _shown(slide, qtbot, make_generated())
    box.resize(380, 900)
    box.show()
    heights = [
        next(
            label.mapTo(box, label.rect().topLeft()).y()
            for label in box.findChildren(QLabel)
            if words in label.text() and label.isVisible()
        )
        for words in ("What made-up-vlm says", "Small round cells", "Apache-2.0", "Measured findings", "stand close")
    ]
    assert heights == sorted(heights)
    assert len(set(heights)) == 5


def test_a_contradicted_sentence_says_so_in_words_with_the_measurement(slide, qtbot) -> None:
    box = _shown(slide, qtbot, make_generated())
    marked = [label for label in box.findChildren(QLabel) if "Contradicted –" in label.text()]
    assert len(marked) == 1
    assert "Much blood" in marked[0].text()
    assert "measured on tile 2: blood-like area 0 %" in marked[0].text()
    assert "Contradicted – measured on tile 2" in marked[0].accessibleName()
    assert "1 of 6 sentences of the tiles is contradicted" in box.generated.disagreement.text()


def test_above_words_on_a_foreign_slide_it_says_that_they_may_mean_nothing(slide, qtbot) -> None:
    box = _shown(slide, qtbot, make_generated(), abstain=True)
    assert "made-up does not know slides like this one" in box.generated.caution.text()
    assert box.generated.caution.isVisibleTo(box)
    assert not _shown(slide, qtbot, make_generated()).generated.caution.text()
    gone = GeneratedDescription(describer="gone", licence="", fallback="gone did not describe the tiles.")
    assert not _shown(slide, qtbot, gone, abstain=True).generated.caution.text(), "there are no words"


def test_where_nothing_contradicts_nothing_is_said_of_it(slide, qtbot) -> None:
    said = make_generated()
    clean = said.model_copy(
        update={
            name: tuple(s.model_copy(update={"contradicted_by": ""}) for s in getattr(said, name))
            for name in ("sentences", "tiles")
        }
    )
    box = _shown(slide, qtbot, clean)
    assert not box.generated.disagreement.isVisibleTo(box)
    assert not any("contradict" in text.lower() for text in _labels(box))


def test_markup_of_a_model_is_shown_as_it_is(slide, qtbot) -> None:
    texts = _labels(_shown(slide, qtbot, make_generated()))
    assert any("&lt;i&gt;sheets" in text for text in texts)


def test_links_lead_to_the_tiles(slide, qtbot) -> None:
    box = _shown(slide, qtbot, make_generated())
    label = next(label for label in box.findChildren(QLabel) if "Small round cells" in label.text())
    with qtbot.wait_signal(box.tile_asked) as asked:
        label.linkActivated.emit("2")
    assert asked.args == [2]


def test_a_fallback_is_told_and_the_measured_findings_stay(slide, qtbot) -> None:
    said = GeneratedDescription(describer="gone", licence="", fallback="gone did not describe the tiles: no memory.")
    texts = _labels(_shown(slide, qtbot, said))
    assert "gone did not describe the tiles: no memory." in texts
    assert any("stand close" in text for text in texts)
    assert not any("says it sees" in text for text in texts)


def test_where_tiles_were_sent_and_what_was_left_out_is_told(slide, qtbot) -> None:
    said = make_generated(sends_to=OTHER, faults={2: ("another language.",), 3: ("another language.",)})
    texts = " ".join(_labels(_shown(slide, qtbot, said)))
    assert f"Tiles were sent to {OTHER}, unencrypted." in texts
    assert "Left out, tiles 2–3: another language." in texts


def test_without_a_model_the_box_is_as_it_was(slide, qtbot) -> None:
    box = _shown(slide, qtbot, None)
    assert not box.generated.isVisibleTo(box)
    assert not box.findings_title.isVisibleTo(box)


def test_each_tile_has_its_sentences_first_and_its_marks(slide, qtbot) -> None:
    result = make_result(slide)
    rows = EvidenceList()
    qtbot.add_widget(rows)
    rows.show_result(
        result.model_copy(update={"generated": make_generated()}).with_maps(result.maps), with_attention=True
    )
    texts = [[(line.text, line.marked) for line in rows.list.item(i).data(DETAIL_ROLE)] for i in range(2)]
    assert [text for text, _ in texts[0][:2]] == [
        "Small round cells in <i>sheets</i>.",
        "Much blood lies between them.",
    ]
    assert texts[0][2][0].startswith("Measured: Nuclei stand")
    assert texts[1][2] == (f"Contradicted – {AGAINST}", True)
    assert rows.list.item(1).data(BRIEF_ROLE)[2].marked, "a mark is never cut from its sentence"
    rows.resize(360, 500)
    rows.show()
    rows.list.setCurrentRow(1)
    picture = rows.list.grab().toImage()
    colours = {picture.pixelColor(x, y).name() for x in range(0, picture.width(), 2) for y in range(picture.height())}
    assert {MARK_GROUND.name(), MARK_INK.name()} <= colours


def test_sentences_are_shown_while_the_run_describes(make_workspace, qtbot, small_slide) -> None:
    said = make_generated().tiles
    workspace = make_workspace(MadeUpRunner(pause_s=0.1, said=said, generated=make_generated()), slide=small_slide)
    seen: list[list[str]] = []
    workspace.run.said_changed.connect(lambda _: seen.append(list(workspace.said.texts)))
    workspace.run_box.classify_button.click()
    qtbot.wait_until(lambda: workspace.run.session is None, timeout=20_000)
    assert seen
    assert all(len(texts) <= 4 for texts in seen)
    assert any(any("Contradicted –" in text for text in texts) for texts in seen)
    assert not workspace.said.isVisibleTo(workspace)
    assert workspace.said.texts == []
    assert workspace.description.generated.isVisibleTo(workspace.description)


def test_the_answer_is_there_before_the_words_and_what_the_reader_does_meanwhile_stays(
    make_workspace, qtbot, small_slide
) -> None:
    runner = MadeUpRunner(pause_s=0.3, said=make_generated().tiles, generated=make_generated(), answers=True)
    workspace = make_workspace(runner, slide=small_slide)
    workspace.run_box.classify_button.click()
    qtbot.wait_until(lambda: workspace.verdict.isVisibleTo(workspace), timeout=20_000)
    assert workspace.run.session is not None, "the run goes on"
    assert workspace.description.generated.fallback.text() == AWAITED
    assert any("stand close" in text for text in _labels(workspace.description))
    assert not workspace.export_box.isVisibleTo(workspace), "what is saved waits for the words"
    assert not workspace.provisional.isVisibleTo(workspace)
    workspace.evidence.choose(1)
    workspace.decision.reason.setPlainText("Seen by me.")
    qtbot.wait_until(lambda: workspace.said.isVisibleTo(workspace), timeout=20_000)
    qtbot.wait_until(lambda: workspace.run.session is None, timeout=20_000)
    assert workspace.description.generated.fallback.text() == ""
    assert any("Small round cells" in text for text in _labels(workspace.description))
    assert workspace.evidence.list.currentRow() == 1
    assert "Small round cells" in str(workspace.evidence.list.item(1).data(DETAIL_ROLE))
    assert workspace.decision.reason.toPlainText() == "Seen by me."
    assert workspace.description.measured_title.text() == "Measured on tile 2"
    assert workspace.export_box.isVisibleTo(workspace)
    assert not workspace.said.isVisibleTo(workspace)


def test_who_stops_the_describing_keeps_the_answer(make_workspace, qtbot, small_slide) -> None:
    runner = MadeUpRunner(pause_s=0.3, said=make_generated().tiles * 20, generated=make_generated(), answers=True)
    workspace = make_workspace(runner, slide=small_slide)
    workspace.run_box.classify_button.click()
    qtbot.wait_until(lambda: workspace.said.isVisibleTo(workspace), timeout=20_000)
    workspace.run_box.cancel_button.click()
    qtbot.wait_until(lambda: workspace.run.session is None, timeout=20_000)
    assert workspace.verdict.isVisibleTo(workspace)
    assert workspace.description.generated.fallback.text() == AWAITED
    assert workspace.export_box.isVisibleTo(workspace)
    assert not workspace.said.isVisibleTo(workspace)


def test_nothing_of_it_is_cut_off_in_a_narrow_dock(make_workspace, qtbot, small_slide) -> None:
    workspace = make_workspace(MadeUpRunner(generated=make_generated()), slide=small_slide, show=True)
    workspace.run_box.classify_button.click()
    qtbot.wait_until(lambda: workspace.run.session is None, timeout=30_000)
    dock = next(d for d in workspace.window().findChildren(QDockWidget) if d.isAncestorOf(workspace))
    workspace.window().resizeDocks([dock], [330], Qt.Orientation.Horizontal)
    qtbot.wait_until(lambda: workspace.width() < 350, timeout=20_000)
    workspace.evidence.choose(1)

    def cut() -> list[str]:
        labels = [label for label in workspace.description.findChildren(QLabel) if label.isVisible() and label.text()]
        assert len(labels) > 6
        return [
            label.text()
            for label in labels
            if label.wordWrap() and label.height() < label.heightForWidth(label.width())
        ]

    qtbot.wait_until(lambda: cut() == [], timeout=20_000)
