"""A run's bar tells what is known, and never moves by itself."""

from __future__ import annotations

from napari_mmlnb.viewer.run_box import RunBox


def test_while_nobody_knows_how_long_it_takes_seconds_are_counted_and_nothing_moves(qtbot):
    box = RunBox()
    qtbot.addWidget(box)
    box.show()
    box.begin()
    bar = box.progress
    assert (bar.minimum(), bar.maximum(), bar.value()) == (0, 1, 0), "a range of 0 to 0 would be painted all the time"
    assert bar.text() == "0 s"
    qtbot.waitUntil(lambda: bar.text() == "1 s", timeout=4000)
    box.show_progress("tissue", "Looking for tissue", 0, 0)
    assert bar.text() != "0 s", "the seconds of the run, not of the stage"
    assert bar.maximum() == 1


def test_steps_are_counted_where_they_are_known(qtbot):
    box = RunBox()
    qtbot.addWidget(box)
    box.show()
    box.begin()
    box.show_progress("encode", "Looking at tiles", 3, 40)
    assert (box.progress.value(), box.progress.maximum(), box.progress.text()) == (3, 40, "3 / 40")
    qtbot.wait(1200)
    assert box.progress.text() == "3 / 40", "no seconds in between"
    box.end("over")
    assert not box.progress.isVisible()
