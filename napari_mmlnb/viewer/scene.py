"""How the canvas is set for slides: flat, with a scale bar, on the grey of a light table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.viewer import Viewer

BACKGROUND = "#e6e6e6"


def dress_scene(viewer: Viewer) -> None:
    """Set up a viewer for whole slides."""
    viewer.dims.ndisplay = 2
    viewer.canvas.background_color_override = BACKGROUND
    bar = viewer.canvas.overlays.scale_bar
    bar.visible = True
    bar.box = True
    bar.font_size = 11
