"""napari's "resolution" box must not read a whole level of a slide into memory."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QComboBox

pytest.importorskip("napari")

from napari.utils.notifications import notification_manager

from napari_mmlnb.viewer import level_array, level_guard
from napari_mmlnb.viewer.slide_layer import add_slide
from tests.slides.made import MadeReader, made_slide, noise

LIMIT = 1500 * 1500 * 3


@pytest.fixture
def shown(make_napari_viewer, qtbot, monkeypatch):
    for module in (level_array, level_guard):
        monkeypatch.setattr(module, "LARGEST_READ_BYTES", LIMIT)
    reader = MadeReader([noise(4000, 3000)], [(250, 250)], reductions=(1, 2, 4))
    viewer = make_napari_viewer(show=True)
    with made_slide(reader) as slide:
        layer = add_slide(viewer, slide)
        qtbot.wait(300)
        notification_manager.records.clear()
        yield viewer, layer, reader


def resolution_box(viewer, layer) -> QComboBox:
    controls = viewer.window._qt_viewer.controls.widgets[layer]
    return next(box for box in controls.findChildren(QComboBox) if box.itemText(0).startswith("Auto"))


def test_a_level_that_is_too_large_is_refused_with_words_and_the_choice_taken_back(shown, qtbot):
    viewer, layer, reader = shown
    box = resolution_box(viewer, layer)
    reader.reads.clear()
    box.setCurrentIndex(1)
    qtbot.wait_until(lambda: layer.locked_data_level is None)
    assert box.currentIndex() == 0
    (record,) = notification_manager.records
    assert "Level 0 of made" in record.message
    assert f"{LIMIT / 1e6:.0f} MB" in record.message
    qtbot.wait(300)
    assert not any(read[0] == 0 and read[3] == 1 for read in reader.reads), "nothing of it was read"
    assert layer.data_level > 0


def test_a_level_that_fits_may_be_chosen(shown, qtbot):
    viewer, layer, _ = shown
    last = len(layer.data) - 1
    resolution_box(viewer, layer).setCurrentIndex(1 + last)
    qtbot.wait(200)
    assert layer.locked_data_level == last
    assert notification_manager.records == []
