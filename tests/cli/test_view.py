"""`mmlnb view` where it cannot open a window: one line that says why, and exit code 2."""

from __future__ import annotations

import sys

import pytest

from napari_mmlnb.cli import view
from napari_mmlnb.cli.main import run


@pytest.fixture
def gui_installed(monkeypatch):
    monkeypatch.setattr(view, "find_spec", lambda name: object())


def refused(capsys, *arguments: str) -> str:
    assert run(["view", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    return err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no display is a matter of Linux")
def test_without_a_display_it_names_the_way_that_needs_none(capsys, monkeypatch, gui_installed):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "mmlnb classify" in refused(capsys)


@pytest.mark.parametrize("missing", [{"napari"}, {"PySide6", "PyQt6"}])
def test_without_napari_or_qt_it_names_the_extra(capsys, monkeypatch, missing):
    monkeypatch.setattr(view, "find_spec", lambda name: None if name in missing else object())
    assert "napari-mmlnb[gui]" in refused(capsys)


def test_no_such_slide_is_said_before_a_window_opens(capsys, monkeypatch, gui_installed, tmp_path):
    monkeypatch.setenv("DISPLAY", ":0")
    assert "nowhere.svs" in refused(capsys, str(tmp_path / "nowhere.svs"))


def test_a_scale_that_is_no_number_is_refused(capsys, tmp_path):
    assert "--mpp" in refused(capsys, "--mpp", "fine")
