"""Keeps napari's "resolution" box from reading a whole level of a slide into memory.

Napari reads a level that is chosen there as one picture: 7 GB for a slide of 60 000 x 40 000 pixels. `LevelArray` does
not answer a read of that size; here the choice is taken back, and the person is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_warning
from qtpy.QtCore import QTimer
from superqt.utils import ensure_main_thread

from napari_mmlnb.viewer.level_array import LARGEST_READ_BYTES, LevelArray

if TYPE_CHECKING:
    from napari.layers import Layer


@ensure_main_thread
def keep_automatic(array: LevelArray) -> None:
    """Take back the choice of a level that is too large to be read at once, and say so; from any thread."""
    # Napari is in the midst of taking the choice; it comes to its end first.
    QTimer.singleShot(0, lambda: _release(array))


def _release(array: LevelArray) -> None:
    released = [layer for layer in _layers_of(array) if layer.locked_data_level == array.level]
    for layer in released:
        layer.locked_data_level = None
    if released:
        show_warning(
            f"Level {array.level} of {released[0].name} would take {array.nbytes / 1e9:.1f} GB of memory. "
            f"At most {LARGEST_READ_BYTES / 1e6:.0f} MB are read at once, so the resolution stays automatic."
        )


def _layers_of(array: LevelArray) -> list[Layer]:
    from napari import current_viewer  # noqa: PLC0415 - a reader plugin is asked before there is a viewer

    viewer = current_viewer()
    layers = viewer.layers if viewer is not None else ()
    return [layer for layer in layers if layer.multiscale and any(level is array for level in layer.data)]
