"""Torch after a canvas: the GL driver's LLVM and Triton's must not meet."""

from __future__ import annotations

import subprocess
import sys

from napari_mmlnb.viewer.native_libraries import load_triton_apart

SCRIPT = """
import napari, numpy
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer(show=True, show_welcome_screen=False)
viewer.add_image(numpy.zeros((8, 8)))
for _ in range(20):
    QApplication.processEvents()
from napari_mmlnb.viewer.engine import list_bundles
list_bundles()
import torch._dynamo
print("alive")
viewer.close()
"""


def test_torch_can_be_loaded_while_a_canvas_is_up(qtbot):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT], capture_output=True, text=True, timeout=180, check=False
    )
    assert "alive" in done.stdout, done.stderr[-2000:]


def test_other_libraries_are_loaded_as_before():
    before = sys.getdlopenflags()
    load_triton_apart()
    assert sys.getdlopenflags() == before
