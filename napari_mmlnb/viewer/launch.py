"""Opens napari with the workspace laid out; the command line's way in."""

from __future__ import annotations

import napari
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_mmlnb.result import RunResult
from napari_mmlnb.slides.location import Location
from napari_mmlnb.viewer.engine import ListBundles, list_bundles
from napari_mmlnb.viewer.slide_opening import Scale
from napari_mmlnb.viewer.workspace import WIDTH_PX, Workspace

TITLE = "MMLNB pathology (research use only)"
DOCK_NAME = "Classify a slide"
WINDOW_PX = (1480, 920)


def open_workspace(
    slide: Location | None = None,
    result: RunResult | None = None,
    *,
    mpp: Scale = None,
    backend: str | None = None,
    show: bool = True,
    bundles: ListBundles = list_bundles,
) -> napari.Viewer:
    """Open a viewer with the workspace at its right, and with a slide where one is given.

    Parameters
    ----------
    slide : Path or RemoteUrl, optional
        The slide to open.
    result : RunResult, optional
        A finished run on it, shown with the slide.
    mpp : float or tuple of float, optional
        Micrometres per pixel (x, y), where the file's own must not be used.
    backend : str, optional
        Open the slide with this backend and no other.
    show : bool
        Whether the window appears.
    bundles : callable
        Lists the model bundles that can be chosen.

    Returns
    -------
    napari.Viewer
        Its event loop is not run yet, see `run_workspace`; the slide appears once it runs.
    """
    viewer = napari.Viewer(title=TITLE, show=show)
    workspace = Workspace(viewer, bundles=bundles)
    dock = viewer.window.add_dock_widget(workspace, name=DOCK_NAME, area="right", add_vertical_stretch=False)
    window = dock.window()
    window.resize(*WINDOW_PX)
    window.resizeDocks([dock], [WIDTH_PX], Qt.Orientation.Horizontal)
    # The canvas learns its size only now, and a slide is fitted to that.
    QApplication.processEvents()
    if slide is not None:
        workspace.open_slide(slide, mpp, result, backend)
    return viewer


def run_workspace(
    slide: Location | None = None,
    result: RunResult | None = None,
    *,
    mpp: Scale = None,
    backend: str | None = None,
) -> None:
    """The same, and stay until the window is closed."""
    open_workspace(slide, result, mpp=mpp, backend=backend)
    napari.run()
