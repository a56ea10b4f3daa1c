"""Progress reaches a terminal and nothing else; libraries do not reach stdout."""

from __future__ import annotations

import io
import os
import sys
from dataclasses import dataclass

import pytest

from napari_mmlnb.cli.progress import follow, progress_line, stdout_kept_clean


@dataclass
class Update:
    message: str
    done: int = 0
    total: int = 0
    result: object = None
    warning: str = ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_follow_gives_the_result():
    answer = object()
    assert follow(iter([Update("a"), Update("b", 1, 2), Update("end", result=answer)])) is answer


def test_a_warning_is_said_even_where_stderr_is_no_terminal(monkeypatch, capsys):
    follow(iter([Update("a", warning="a graphics card stays idle"), Update("end", result=object())]))
    said = capsys.readouterr()
    assert said.err == "Warning: a graphics card stays idle\n"
    assert said.out == ""


def test_follow_without_a_result_is_a_fault():
    with pytest.raises(RuntimeError):
        follow(iter([Update("a")]))


def test_an_interrupted_run_is_closed(monkeypatch):
    closed = []

    def stream():
        try:
            yield Update("a")
            yield Update("b")
        finally:
            closed.append(True)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_mmlnb.cli.progress._silent", interrupt)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    updates = stream()
    with pytest.raises(KeyboardInterrupt):
        follow(updates)
    assert closed == [True]


def test_silent_where_stderr_is_no_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_line() as show:
        show("Looking at tiles", 3, 10)
    assert stream.getvalue() == ""


def test_a_terminal_sees_message_and_count(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_line() as show:
        show("Looking at tiles", 3, 10)
    assert "Looking at tiles" in stream.getvalue()
    assert "3/10" in stream.getvalue()


def test_what_libraries_print_goes_to_stderr(capfd):
    with stdout_kept_clean():
        sys.stdout.write("from Python\n")
        os.write(1, b"from native code\n")
    sys.stdout.write("ours\n")
    out, err = capfd.readouterr()
    assert out == "ours\n"
    assert "from Python" in err
    assert "from native code" in err
