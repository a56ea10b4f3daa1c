"""The workspace as a reader meets it: open, classify, look, decide, save."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QFileDialog, QLabel, QListWidget

from napari_mmlnb.errors import BundleError
from napari_mmlnb.result import RESEARCH_USE, Review, RunResult
from napari_mmlnb.viewer.heatmap_layer import NOT_VALID
from tests.gui.opening import open_and_wait
from tests.gui.runs import BUNDLE, CLASSES, HOT, LIMITS, REASON, TILE_UM, MadeUpRunner, make_result


def classify(workspace, qtbot) -> None:
    qtbot.mouseClick(workspace.run_box.classify_button, Qt.MouseButton.LeftButton)
    qtbot.wait_until(lambda: workspace.run.session is None, timeout=10_000)


def visible_text(widget) -> str:
    labels = [label.text() for label in widget.findChildren(QLabel) if label.isVisibleTo(widget)]
    rows = [
        f"{lst.item(i).text()}\n{lst.item(i).data(Qt.ItemDataRole.UserRole)}"
        for lst in widget.findChildren(QListWidget)
        if lst.isVisibleTo(widget)
        for i in range(lst.count())
    ]
    return "\n".join(labels + rows)


def layer_named(workspace, name):
    return next((layer for layer in workspace.viewer.layers if layer.name == name), None)


def test_before_anything_is_opened_it_says_what_it_is_for_and_offers_no_run(make_workspace):
    workspace = make_workspace(MadeUpRunner())
    text = visible_text(workspace)
    assert RESEARCH_USE in text
    assert BUNDLE.notice in text
    assert not workspace.run_box.classify_button.isEnabled()
    assert not workspace.verdict.isVisibleTo(workspace)


def test_classify_shows_the_prediction_with_numbers_of_all_branches(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    classify(workspace, qtbot)
    text = visible_text(workspace.verdict)
    assert workspace.verdict.headline.text() == "Poorly differentiated"
    for number in ("0.71", "0.62", "0.83", "0.37"):
        assert number in text
    assert "same pixels" in text
    assert "Poorly differentiated, Differentiating" in workspace.verdict.prediction_set.text()


def test_heatmap_lies_on_the_micrometres_of_its_tiles(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    classify(workspace, qtbot)
    layer = layer_named(workspace, "attention")
    row, column = HOT
    corner = np.array([row * TILE_UM, column * TILE_UM])
    for inside in (corner + 0.5, corner + TILE_UM - 0.5):
        assert layer.get_value(inside, world=True) == pytest.approx(3.5)
    for outside in (corner - 0.5, corner + TILE_UM + 0.5):
        assert layer.get_value(outside, world=True) == pytest.approx(0.5)
    assert tuple(layer.contrast_limits) == LIMITS
    assert layer.interpolation2d == "nearest"
    assert {str(u) for u in layer.units} == {"micrometer"}


def test_slide_lies_on_its_own_micrometres(make_workspace, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    slide, layer = workspace.shelf.session.slide, workspace.shelf.layer
    region = slide.grids[0].region
    low, high = layer.extent.world
    half = np.array(slide.mpp.yx) / 2
    np.testing.assert_allclose(low - half, (region.y, region.x), atol=1e-6)
    np.testing.assert_allclose(high + half, (region.height, region.width), atol=1e-6)
    assert layer.rgb and layer.multiscale
    assert workspace.viewer.canvas.overlays.scale_bar.visible


def test_a_second_run_leaves_one_heatmap(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    classify(workspace, qtbot)
    classify(workspace, qtbot)
    roles = [layer.metadata.get("mmlnb_role") for layer in workspace.viewer.layers]
    assert roles.count("heatmap") == 1
    assert roles.count("evidence") == 1


def test_contribution_to_a_class_replaces_attention_in_the_same_layer(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    classify(workspace, qtbot)
    before = workspace.overlays.heatmap.layer
    chooser = workspace.attention.chooser
    index = chooser.findData("ud")
    chooser.setCurrentIndex(index)
    chooser.activated.emit(index)
    layer = workspace.overlays.heatmap.layer
    assert layer is before
    assert layer.name == "contribution to Undifferentiated"
    assert layer.data[HOT] == pytest.approx(-1.25)
    low, high = layer.contrast_limits
    assert low == -high


def test_abstention_names_no_class_and_shows_no_probability(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(abstain=True), slide=small_slide)
    classify(workspace, qtbot)
    text = visible_text(workspace)
    assert REASON in text
    for record in CLASSES:
        assert record.label.lower() not in text.lower()
    for number in ("0.71", "0.62", "0.83", "0.37", "+0.8"):
        assert number not in text
    assert "Nuclei stand close." in text
    assert workspace.attention.chooser.count() == 1


def test_abstention_hides_attention_until_it_is_asked_for(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(abstain=True), slide=small_slide)
    classify(workspace, qtbot)
    assert not workspace.overlays.heatmap.shown
    assert "attention 3.5" not in visible_text(workspace.evidence)
    workspace.attention.ask.setChecked(True)
    assert workspace.overlays.heatmap.layer.name == NOT_VALID
    assert "attention 3.5" in visible_text(workspace.evidence)
    workspace.attention.ask.setChecked(False)
    assert not workspace.overlays.heatmap.shown


def test_unreadable_tiles_are_drawn_and_counted(make_workspace, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    workspace.show_result(make_result(workspace.shelf.session.slide, unreadable=((1, 2),)))
    layer = layer_named(workspace, "unreadable tiles")
    assert layer.get_value((1.5 * TILE_UM, 2.5 * TILE_UM), world=True) == 1
    assert not layer.get_value((2.5 * TILE_UM, 2.5 * TILE_UM), world=True)
    assert "1 unreadable" in visible_text(workspace.verdict)


def test_cancel_stops_within_a_second_and_leaves_no_map(make_workspace, qtbot, small_slide):
    runner = MadeUpRunner(steps=1000, pause_s=0.05)
    workspace = make_workspace(runner, slide=small_slide)
    qtbot.mouseClick(workspace.run_box.classify_button, Qt.MouseButton.LeftButton)
    qtbot.wait_until(lambda: workspace.overlays.heatmap.shown, timeout=10_000)
    clicked = time.monotonic()
    qtbot.mouseClick(workspace.run_box.cancel_button, Qt.MouseButton.LeftButton)
    assert "Cancelled" in workspace.run_box.status.text()
    assert runner.ended.wait(1.0)
    assert time.monotonic() - clicked < 1.0
    qtbot.wait(300)
    assert not workspace.overlays.heatmap.shown
    assert workspace.shelf.session.result is None
    assert workspace.run_box.classify_button.isEnabled()


def test_cancel_keeps_the_result_of_the_run_before(make_workspace, qtbot, small_slide):
    runner = MadeUpRunner()
    workspace = make_workspace(runner, slide=small_slide)
    classify(workspace, qtbot)
    runner.steps = 1000
    qtbot.mouseClick(workspace.run_box.classify_button, Qt.MouseButton.LeftButton)
    assert not workspace.verdict.isVisibleTo(workspace)
    qtbot.mouseClick(workspace.run_box.cancel_button, Qt.MouseButton.LeftButton)
    assert workspace.verdict.isVisibleTo(workspace)
    assert layer_named(workspace, "attention") is not None


def test_the_click_is_answered_at_once_and_the_gui_goes_on(make_workspace, qtbot, small_slide):
    runner = MadeUpRunner(steps=1, pause_s=0.8)
    workspace = make_workspace(runner, slide=small_slide)
    ticks: list[float] = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    qtbot.mouseClick(workspace.run_box.classify_button, Qt.MouseButton.LeftButton)
    assert not workspace.run_box.classify_button.isEnabled()
    assert workspace.run_box.cancel_button.isEnabled()
    assert workspace.run_box.status.text()
    timer.start(10)
    # Only while the runner works: drawing the result is the GUI's own business.
    qtbot.wait_until(lambda: len(runner.threads) == 1)
    ticks.clear()
    qtbot.wait(500)
    timer.stop()
    assert not runner.ended.is_set()
    assert len(ticks) > 15
    assert runner.threads[0] is not threading.main_thread()
    qtbot.wait_until(lambda: workspace.run.session is None, timeout=10_000)


def test_an_error_a_person_can_mend_is_said_with_its_remedy(make_workspace, qtbot, small_slide):
    error = BundleError("made-up", "The weights were altered.", "Install the bundle again.")
    workspace = make_workspace(MadeUpRunner(error=error), slide=small_slide)
    classify(workspace, qtbot)
    assert workspace.run_box.error.text() == "The weights were altered. Install the bundle again."
    assert workspace.run_box.error.isVisibleTo(workspace)
    assert workspace.run_box.classify_button.isEnabled()
    assert not workspace.overlays.heatmap.shown


def test_an_unexpected_error_names_the_log_and_shows_no_traceback(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(error=ZeroDivisionError("division by zero")), slide=small_slide)
    classify(workspace, qtbot)
    text = workspace.run_box.error.text()
    assert "division by zero" in text
    assert ".log" in text
    assert "Traceback" not in text


def test_choosing_evidence_goes_to_its_tile(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide, show=True)
    classify(workspace, qtbot)
    evidence = workspace.shelf.session.result.evidence
    rows = workspace.evidence.list
    rows.setFocus()
    qtbot.mouseClick(rows.viewport(), Qt.MouseButton.LeftButton, pos=rows.visualItemRect(rows.item(1)).center())
    camera = workspace.viewer.scene.camera
    assert tuple(camera.center)[-2:] == pytest.approx(evidence[1].region.centre)
    shown_um = min(workspace.viewer.canvas.size) / camera.zoom
    assert TILE_UM < shown_um < 4 * TILE_UM
    qtbot.keyClick(rows, Qt.Key.Key_Down)
    assert tuple(camera.center)[-2:] == pytest.approx(evidence[2].region.centre)
    assert "tile 3" in workspace.description.measured_title.text()
    camera.center = (0.0, 0.0)
    qtbot.keyClick(rows, Qt.Key.Key_Return)
    assert tuple(camera.center)[-2:] == pytest.approx(evidence[2].region.centre)


def test_a_sentence_leads_to_its_tile_and_never_becomes_markup(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    classify(workspace, qtbot)
    sentences = [w for w in workspace.description.findChildren(QLabel) if "sparse" in w.text()]
    assert "&lt;b&gt;sparse" in sentences[0].text()
    sentences[0].linkActivated.emit("2")
    centre = workspace.shelf.session.result.evidence[1].region.centre
    assert tuple(workspace.viewer.scene.camera.center)[-2:] == pytest.approx(centre)


def test_numbers_are_shown_with_their_units(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    classify(workspace, qtbot)
    text = visible_text(workspace.description)
    assert "5,432 /mm²" in text
    assert "0.123" in text


def test_the_readers_decision_starts_empty_and_is_saved_apart(
    make_workspace, qtbot, small_slide, tmp_path, monkeypatch
):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    classify(workspace, qtbot)
    assert workspace.decision.draft().is_empty
    qtbot.keyClicks(workspace.decision.reader, "A. B.")
    workspace.decision.decision.setCurrentText("Differentiating")
    workspace.decision.reason.setPlainText("Many ganglion-like cells.")
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(out))
    qtbot.mouseClick(workspace.export_box.results_button, Qt.MouseButton.LeftButton)
    qtbot.wait_until(lambda: workspace.export_box.saved is not None, timeout=30_000)
    review = Review.model_validate_json((out / "review.json").read_text())
    assert (review.reader, review.decision, review.run_id) == ("A. B.", "d", "run-1")
    result = RunResult.from_file(out / "result.json")
    assert result.prediction == "pd"
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")
    assert workspace.export_box.open_button.isVisibleTo(workspace)


def test_export_pdf_says_where_it_went_or_why_not(make_workspace, qtbot, small_slide, tmp_path, monkeypatch):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    classify(workspace, qtbot)
    target = tmp_path / "report.pdf"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(target), ""))
    qtbot.mouseClick(workspace.export_box.pdf_button, Qt.MouseButton.LeftButton)
    qtbot.wait_until(lambda: workspace.export_box.saved == target, timeout=30_000)
    assert target.read_bytes().startswith(b"%PDF")
    nowhere = tmp_path / "report.pdf" / "inside" / "a-file.pdf"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(nowhere), ""))
    qtbot.mouseClick(workspace.export_box.pdf_button, Qt.MouseButton.LeftButton)
    qtbot.wait_until(lambda: workspace.export_box.error.isVisibleTo(workspace), timeout=30_000)
    assert "Traceback" not in workspace.export_box.error.text()
    assert workspace.export_box.pdf_button.isEnabled()


def test_each_slide_keeps_its_own_result(make_workspace, qtbot, small_slide, make_tiff):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    classify(workspace, qtbot)
    open_and_wait(workspace, qtbot, make_tiff("other.tiff"))
    assert not workspace.verdict.isVisibleTo(workspace)
    assert not workspace.overlays.heatmap.shown
    assert [layer.visible for layer in workspace.viewer.layers if "mmlnb_slide" in layer.metadata] == [False, True]
    workspace.shelf.choose(0)
    assert workspace.verdict.isVisibleTo(workspace)
    assert layer_named(workspace, "attention") is not None


def test_choosing_the_same_slide_again_leaves_its_run_alone(make_workspace, qtbot, small_slide, make_tiff):
    runner = MadeUpRunner()
    workspace = make_workspace(runner, slide=small_slide)
    open_and_wait(workspace, qtbot, make_tiff("other.tiff"))
    classify(workspace, qtbot)
    runner.steps, runner.pause_s = 1000, 0.05
    qtbot.mouseClick(workspace.run_box.classify_button, Qt.MouseButton.LeftButton)
    session = workspace.shelf.session
    workspace.slide_box.chooser.activated.emit(workspace.shelf.index)
    workspace.viewer.layers.remove(workspace.viewer.layers[0])
    assert workspace.shelf.session is session, "the slide at work stays when another one is removed"
    assert workspace.run.session is session, "and so does its run"
    assert workspace.run_box.cancel_button.isEnabled()
    assert not workspace.run_box.classify_button.isEnabled()
    assert not workspace.verdict.isVisibleTo(workspace), "the answer of the run before is not shown under this one"
    qtbot.mouseClick(workspace.run_box.cancel_button, Qt.MouseButton.LeftButton)
    assert runner.ended.wait(1.0)


def test_removing_the_slide_ends_its_run(make_workspace, qtbot, small_slide):
    runner = MadeUpRunner(steps=1000)
    workspace = make_workspace(runner, slide=small_slide)
    qtbot.mouseClick(workspace.run_box.classify_button, Qt.MouseButton.LeftButton)
    qtbot.wait_until(lambda: bool(runner.threads), timeout=10_000)
    workspace.viewer.layers.remove(workspace.shelf.layer)
    assert runner.ended.wait(2.0)
    assert workspace.shelf.session is None
    assert not workspace.run_box.classify_button.isEnabled()


def test_a_slide_that_cannot_be_opened_is_explained_in_the_dock(make_workspace, qtbot, tmp_path):
    broken = tmp_path / "broken.svs"
    broken.write_bytes(b"not a slide")
    workspace = make_workspace(MadeUpRunner())
    assert open_and_wait(workspace, qtbot, broken) is None
    assert "broken.svs" in workspace.slide_box.error.text()
    assert len(workspace.viewer.layers) == 0


@pytest.mark.parametrize("abstain", [False, True])
def test_nothing_is_cut_off_in_a_narrow_dock(make_workspace, qtbot, small_slide, abstain):
    workspace = make_workspace(MadeUpRunner(abstain=abstain), slide=small_slide, show=True)
    classify(workspace, qtbot)
    window = workspace.window()
    dock = next(d for d in window.findChildren(QDockWidget) if d.isAncestorOf(workspace))
    window.resizeDocks([dock], [330], Qt.Orientation.Horizontal)
    qtbot.wait_until(lambda: workspace.width() < 350)
    qtbot.wait(300)
    inside = workspace.scroll.widget()
    assert inside.minimumSizeHint().width() <= 320
    for label in inside.findChildren(QLabel):
        if label.isVisible() and label.text():
            needed = label.heightForWidth(label.width()) if label.wordWrap() else label.sizeHint().height()
            assert label.height() >= needed, label.text()
            if not label.wordWrap():
                assert label.width() >= label.sizeHint().width(), label.text()
