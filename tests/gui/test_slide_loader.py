"""Slides are opened while the window lives on, can be given up, and ask for what they lack."""

from __future__ import annotations

import threading
import time

import pytest
from qtpy.QtCore import QTimer

pytest.importorskip("napari")

from napari_mmlnb.errors import SlideFormatError
from napari_mmlnb.viewer import slide_loader
from napari_mmlnb.viewer.slide_loader import SlideLoader
from tests.slides.made import MadeReader, made_slide, noise


class Opening:
    """Stands in for `open_slide`: waits at a gate, and keeps what it opened."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.began = threading.Event()
        self.threads = []
        self.slides = []
        self.readers = []

    def __call__(self, location, *, mpp=None, backend=None):
        self.threads.append(threading.current_thread())
        self.began.set()
        assert self.gate.wait(10)
        reader = MadeReader([noise(100, 120)], [(50, 60)])
        self.readers.append(reader)
        self.slides.append(made_slide(reader))
        return self.slides[-1]


@pytest.fixture
def opening(monkeypatch):
    opening = Opening()
    monkeypatch.setattr(slide_loader, "open_slide", opening)
    yield opening
    opening.gate.set()
    for slide in opening.slides:
        slide.close()


@pytest.fixture
def loader(qtbot):
    asked = []
    loader = SlideLoader(lambda location, why: asked.append((location, why)))
    loader.asked = asked
    loader.got = []
    loader.opened.connect(loader.got.append)
    loader.failed.connect(loader.got.append)
    loader.stopped.connect(lambda: loader.got.append("stopped"))
    return loader


def test_the_window_lives_on_while_a_slide_is_opened(loader, opening, qtbot, tmp_path):
    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    timer.start(10)
    loader.open(tmp_path)
    assert loader.busy
    qtbot.wait_until(opening.began.is_set)
    ticks.clear()
    qtbot.wait(400)
    assert len(ticks) > 15
    assert opening.threads[0] is not threading.main_thread()
    opening.gate.set()
    qtbot.wait_until(lambda: bool(loader.got))
    assert loader.got == opening.slides
    assert not loader.busy


def test_the_first_view_is_decoded_before_the_window_hears_of_it(loader, opening, qtbot, tmp_path):
    opening.gate.set()
    loader.open(tmp_path)
    qtbot.wait_until(lambda: bool(loader.got))
    (slide,), (reader,) = opening.slides, opening.readers
    assert len(reader.reads) == 4
    slide.levels_as().read(0, 0, 0, 100, 120)
    assert len(reader.reads) == 4


def test_a_slide_that_was_given_up_is_closed_when_it_is_open_at_last(loader, opening, qtbot, tmp_path):
    loader.open(tmp_path)
    qtbot.wait_until(opening.began.is_set)
    loader.cancel()
    assert loader.got == ["stopped"]
    opening.gate.set()
    qtbot.wait_until(lambda: bool(opening.readers) and opening.readers[0]._closed)
    qtbot.wait(100)
    assert loader.got == ["stopped"]


def test_a_second_slide_takes_the_place_of_the_first(loader, opening, qtbot, tmp_path):
    loader.open(tmp_path)
    qtbot.wait_until(opening.began.is_set)
    loader.open(tmp_path)
    opening.gate.set()
    qtbot.wait_until(lambda: len(opening.slides) == 2 and len(loader.got) == 2)
    qtbot.wait_until(lambda: sum(reader._closed for reader in opening.readers) == 1)
    (shown,) = (got for got in loader.got if got != "stopped")
    assert not opening.readers[opening.slides.index(shown)]._closed


def test_what_is_no_slide_is_an_error_not_a_slide(loader, qtbot, tmp_path):
    path = tmp_path / "notes.svs"
    path.write_bytes(b"no slide")
    loader.open(path)
    qtbot.wait_until(lambda: bool(loader.got))
    assert isinstance(loader.got[0], SlideFormatError)
    assert loader.asked == []


def test_a_missing_scale_is_asked_for_on_the_thread_of_the_window(qtbot, make_tiff):
    path = make_tiff("bare.tiff", mpp=None)
    answers = iter([(500.0, 500.0), (0.25, 0.5)])
    asked = []

    def ask(location, why):
        assert threading.current_thread() is threading.main_thread()
        asked.append(why)
        return next(answers)

    loader = SlideLoader(ask)
    with qtbot.wait_signal(loader.opened, timeout=10_000) as heard:
        loader.open(path)
    (slide,) = heard.args
    assert slide.mpp.xy == (0.25, 0.5)
    assert len(asked) == 2
    assert "not plausible" in asked[1]
    slide.close()


def test_no_answer_opens_nothing(qtbot, make_tiff):
    loader = SlideLoader(lambda location, why: None)
    with qtbot.wait_signal(loader.stopped, timeout=10_000):
        loader.open(make_tiff("bare.tiff", mpp=None))
    assert not loader.busy
