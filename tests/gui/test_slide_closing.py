"""Slides that nobody looks at any more let go of their file, their threads and their memory."""

from __future__ import annotations

import gc
import threading
import weakref

import psutil
import pytest

pytest.importorskip("napari")

from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.viewer.slide_layer import add_slide, slide_of
from tests.gui.opening import open_and_wait
from tests.gui.runs import MadeUpRunner

PLUGIN = "napari-mmlnb"


@pytest.fixture
def decoding_threads():
    """Counts the threads that decode or close slides and were not there before: another test's are not ours."""
    before = set(threading.enumerate())

    def count() -> int:
        new = set(threading.enumerate()) - before
        return sum(thread.name.startswith(("decode", "mmlnb-close")) for thread in new)

    return count


def open_files(path) -> int:
    return sum(file.path == str(path) for file in psutil.Process().open_files())


@pytest.mark.parametrize("cycles", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_slides_opened_and_removed_leave_nothing_behind(
    make_workspace, qtbot, small_slide, decoding_threads, cycles: int
) -> None:
    workspace = make_workspace(MadeUpRunner())
    slides = []
    for _ in range(cycles):
        session = open_and_wait(workspace, qtbot, small_slide)
        slides.append(weakref.ref(session.slide))
        workspace.viewer.layers.remove(workspace.shelf.layer)
        del session
    qtbot.wait_until(lambda: decoding_threads() == 0, timeout=10_000)
    assert open_files(small_slide) == 0
    assert workspace.shelf.session is None
    gc.collect()
    assert sum(slide() is not None for slide in slides) <= 2, "the last one may still be on its way out"


def test_slides_that_came_by_a_drop_are_let_go_of_without_a_workspace(
    make_napari_viewer, qtbot, small_slide, decoding_threads
):
    viewer = make_napari_viewer()
    for _ in range(5):
        viewer.open(small_slide, plugin=PLUGIN)
        viewer.layers.clear()
    gc.collect()
    qtbot.wait_until(lambda: gc.collect() is not None and decoding_threads() == 0, timeout=10_000)
    assert open_files(small_slide) == 0


def test_a_slide_stays_open_while_another_layer_shows_it(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    first = workspace.shelf.layer
    second = add_slide(workspace.viewer, slide_of(first))
    workspace.viewer.layers.remove(first)
    qtbot.wait(200)
    assert second.data[0][:10, :10].shape == (10, 10, 3)
    workspace.viewer.layers.remove(second)
    qtbot.wait_until(lambda: open_files(small_slide) == 0, timeout=5_000)


def test_levels_that_somebody_holds_keep_their_slide_open(qtbot, small_slide):
    from napari_mmlnb.viewer.slide_layer import slide_layer_data

    levels, keywords, _ = slide_layer_data(open_slide(small_slide))
    del keywords
    gc.collect()
    qtbot.wait(100)
    assert levels[0][:10, :10].shape == (10, 10, 3)


def test_removing_a_slide_does_not_hold_the_window_up(make_workspace, qtbot):
    from tests.slides.made import MadeReader, made_slide, noise

    workspace = make_workspace(MadeUpRunner())
    reader = MadeReader([noise(1000, 1000)], [(250, 250)])
    layer = add_slide(workspace.viewer, made_slide(reader))
    slide = slide_of(layer)
    slide.cache.clear()
    reader.gate.clear()
    reading = slide.pool.submit(0, slide.read, 0, 0, 0, 100, 100)
    qtbot.wait_until(lambda: reader.waiting == 1)
    workspace.viewer.layers.remove(layer)
    assert len(workspace.viewer.layers) == 0, "and did not wait for the tile that is being decoded"
    reader.gate.set()
    assert reading.result(10).shape == (100, 100, 3)
    qtbot.wait_until(lambda: reader._closed)
