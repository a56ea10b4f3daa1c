"""`mmlnb bench view` in a window of its own, as a person starts it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("napari")

LIMIT_S = 200


@pytest.mark.slow
def test_a_slide_is_looked_at_and_the_figures_are_told(qtbot, small_slide):
    command = [sys.executable, "-m", "napari_mmlnb.cli.main", "bench", "view", str(small_slide), "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert run.returncode == 0, run.stderr
    figures = json.loads(run.stdout)
    assert 0 < figures["first_frame_s"] < LIMIT_S
    assert figures["slice_reads"] > 10
    assert 0 < figures["slice_read_ms_p50"] <= figures["slice_read_ms_p95"]
    assert 0 < figures["gui_block_ms_p95"] <= figures["gui_block_ms_max"]
    assert figures["cache_limit_mb"] > 0
