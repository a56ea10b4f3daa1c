"""The class so far: plainly provisional, with its interval, and gone when it must be."""

from __future__ import annotations

import threading

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from napari_mmlnb.errors import BundleError
from napari_mmlnb.viewer import wording
from napari_mmlnb.viewer.provisional_box import IntervalBar
from tests.gui.runs import BUNDLE, CLASSES, MadeUpRunner, make_estimate


def shown_text(widget) -> str:
    return "\n".join(label.text() for label in widget.findChildren(QLabel) if label.isVisibleTo(widget.window()))


def begin(workspace, qtbot) -> None:
    qtbot.mouseClick(workspace.run_box.classify_button, Qt.MouseButton.LeftButton)
    qtbot.wait_until(lambda: workspace.provisional.isVisibleTo(workspace), timeout=10_000)


def test_the_words_say_how_much_was_seen_and_that_it_can_change():
    estimate = make_estimate(37, 100)
    assert wording.provisional_headline(estimate) == "So far, 37 % of the tiles: can still change"
    assert wording.provisional_value(estimate, "pd") == "0.66 (0.41 to 0.88)"
    assert "Not the model's answer" in wording.provisional_note(estimate)
    assert "90%" in wording.provisional_note(estimate)


@pytest.mark.parametrize(("seen", "said"), [(9999, "99 %"), (10_000, "100 %"), (1, "0 %")])
def test_all_but_one_tile_is_not_called_all(seen, said):
    assert said in wording.provisional_headline(make_estimate(seen, 10_000))


def test_while_it_runs_the_class_so_far_stands_with_its_interval_and_not_as_the_answer(
    make_workspace, qtbot, small_slide
):
    workspace = make_workspace(MadeUpRunner(steps=1000, pause_s=0.05), slide=small_slide)
    begin(workspace, qtbot)
    text = shown_text(workspace.provisional)
    assert "So far" in text
    assert "can still change" in text
    assert all(record.label in text for record in CLASSES)
    bars = workspace.provisional.findChildren(IntervalBar)
    assert [(bar.low, bar.value, bar.high) for bar in bars] == [
        (0.02, 0.11, 0.31),
        (0.41, 0.66, 0.88),
        (0.07, 0.23, 0.47),
    ]
    assert not workspace.verdict.isVisibleTo(workspace), "the answer's own box stays away"
    qtbot.mouseClick(workspace.run_box.cancel_button, Qt.MouseButton.LeftButton)
    assert not workspace.provisional.isVisibleTo(workspace)
    assert "So far" not in shown_text(workspace)


@pytest.mark.parametrize("abstain", [False, True])
def test_with_the_answer_or_an_abstention_it_is_gone(make_workspace, qtbot, small_slide, abstain):
    workspace = make_workspace(MadeUpRunner(steps=15, pause_s=0.2, abstain=abstain), slide=small_slide)
    begin(workspace, qtbot)
    qtbot.wait_until(lambda: workspace.run.session is None, timeout=20_000)
    assert not workspace.provisional.isVisibleTo(workspace)
    text = shown_text(workspace)
    assert "0.66" not in text
    if abstain:
        assert not any(record.label in text for record in CLASSES)


def test_where_no_class_may_be_named_none_is_shown_although_there_is_progress(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(steps=1000, pause_s=0.05, estimates=False), slide=small_slide)
    qtbot.mouseClick(workspace.run_box.classify_button, Qt.MouseButton.LeftButton)
    qtbot.wait_until(lambda: workspace.overlays.heatmap.shown, timeout=10_000)
    qtbot.wait(200)
    assert not workspace.provisional.isVisibleTo(workspace)
    qtbot.mouseClick(workspace.run_box.cancel_button, Qt.MouseButton.LeftButton)


def test_an_estimate_that_is_withdrawn_leaves_nothing(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    workspace.provisional.show_estimate(make_estimate())
    assert "0.66" in shown_text(workspace.provisional)
    workspace.provisional.show_estimate(None)
    assert not workspace.provisional.isVisibleTo(workspace)
    assert "0.66" not in "".join(
        label.text() for label in workspace.provisional.findChildren(QLabel) if label.isVisible()
    )


def test_the_engine_is_made_ready_in_another_thread_once_a_model_is_chosen(make_workspace, qtbot, small_slide):
    prepared: list[tuple[str, threading.Thread]] = []

    def prepare(model):
        prepared.append((model, threading.current_thread()))
        raise BundleError("made-up", "The weights were altered.")

    workspace = make_workspace(MadeUpRunner(), slide=small_slide, prepare=prepare)
    qtbot.wait_until(lambda: bool(prepared), timeout=10_000)
    assert prepared[0][0] == str(BUNDLE.path)
    assert prepared[0][1] is not threading.main_thread()
    assert workspace.run_box.classify_button.isEnabled(), "the run itself will say what is wrong"
    assert "altered" not in shown_text(workspace)
