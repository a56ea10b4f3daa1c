"""Whatever a trial window does, it is a finding and not our end."""

from __future__ import annotations

import json
import sys

import pytest

from napari_mmlnb.cli.checks import window
from napari_mmlnb.cli.checks.finding import State, findings_of


def trial(code: str, wait_s: float = 20.0):
    return window.try_window([sys.executable, "-c", code], wait_s)


def told(renderer: str) -> str:
    facts = {"qt": "6.8", "renderer": renderer, "version": "4.6", "max_texture_px": 16384}
    return f"print({json.dumps(facts)!r})"


def test_a_window_that_opens_says_what_paints_it():
    found = trial(f"print('a greeting'); {told('NVIDIA RTX')}")
    assert found.state is State.OK
    assert "NVIDIA RTX" in found.text
    assert found.facts["max_texture_px"] == 16384
    assert "slower" not in found.text
    assert "slower" in trial(told("llvmpipe (LLVM 15)")).text


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import os; os.abort()", "signal 6"),
        ("raise SystemExit(7)", "code 7"),
        ("print('nothing of use')", "code 0"),
        ("import sys; sys.exit('libEGL.so.1: cannot open shared object file')", "libEGL.so.1 is missing"),
        ("import sys; sys.exit('qt.qpa.xcb: could not connect to display :7')", "no display answers"),
    ],
)
def test_a_window_that_does_not_open_says_why(code, says):
    found = trial(code)
    assert found.state is State.PROBLEM
    assert says in found.text
    assert found.remedy


def test_a_driver_that_hangs_is_not_waited_for():
    found = trial("import time; time.sleep(60)", wait_s=0.5)
    assert found.state is State.PROBLEM
    assert "hang" in found.text


def test_no_display_and_no_viewer_are_no_faults(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    states = {finding.name: finding.state for finding in findings_of(window.CHECK)}
    assert State.PROBLEM not in states.values()
    monkeypatch.setattr(window, "find_spec", lambda _name: None)
    (viewer,) = findings_of(window.CHECK)
    assert viewer.state is State.ABSENT
    assert "[gui]" in viewer.remedy
