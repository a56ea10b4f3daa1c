"""What `mmlnb doctor` opens to find out whether windows can be opened."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from napari_mmlnb.cli.checks.finding import State
from napari_mmlnb.cli.checks.window import TRIAL, try_window


def test_a_real_window_is_painted_and_says_by_what():
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        pytest.skip("no display: start Xvfb and set DISPLAY")
    found = try_window([sys.executable, "-m", TRIAL], 120.0)
    assert found.state is State.OK, found.text
    assert found.facts["renderer"]
    assert found.facts["max_texture_px"] >= 2048


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there always is a display")
def test_without_a_display_the_trial_ends_and_not_we(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":4711")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    found = try_window([sys.executable, "-m", TRIAL], 120.0)
    assert found.state is State.PROBLEM
    assert found.remedy
    assert subprocess.run([sys.executable, "-c", ""], check=True).returncode == 0
