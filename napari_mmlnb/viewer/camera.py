"""Where the canvas looks, in micrometres: magnifications, a region, the whole slide.

A magnification says nothing on a screen: what counts is how many micrometres a screen pixel shows. The names are the
usual equivalents, 10 um per pixel over the magnification, so that 20x is 0.5 um and 40x is 0.25 um a pixel, whatever
the scanner's objective was. A screen pixel is one of napari's: where the system scales its display (a "HiDPI" screen),
several physical ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_mmlnb.geometry import Region

if TYPE_CHECKING:
    from napari.viewer import Viewer

UM_PER_PX_AT_1X = 10.0
MAGNIFICATIONS = (1.25, 2.5, 5.0, 10.0, 20.0, 40.0)

# At a scale that is exactly a level's own, napari reads the next finer level, with four to sixteen times the pixels.
BACK_OFF = 0.995
REGION_SHARE = 0.45
SLIDE_SHARE = 0.95


def um_per_screen_px(viewer: Viewer) -> float:
    """Micrometres that a screen pixel shows."""
    return 1.0 / viewer.scene.camera.zoom


def magnification(viewer: Viewer) -> float:
    """The magnification that this is equivalent to."""
    return UM_PER_PX_AT_1X / um_per_screen_px(viewer)


def magnify(viewer: Viewer, times: float) -> None:
    """Show the middle of the view at a magnification, half a per cent below it.

    Parameters
    ----------
    viewer : napari Viewer
        With world coordinates in micrometres.
    times : float
        20 for "20x", 0.5 um per screen pixel.
    """
    viewer.scene.camera.zoom = BACK_OFF * times / UM_PER_PX_AT_1X


def fit(viewer: Viewer, region: Region, share: float = SLIDE_SHARE) -> None:
    """Show a region as large as the canvas allows.

    Parameters
    ----------
    viewer : napari Viewer
        With world coordinates in micrometres.
    region : Region
        Where to look.
    share : float
        Part of the canvas that it takes, along the side where it is tight.
    """
    height, width = viewer.canvas.size
    viewer.scene.camera.center = region.centre
    viewer.scene.camera.zoom = BACK_OFF * share * min(height / region.height, width / region.width)


def go_to(viewer: Viewer, region: Region, share: float = REGION_SHARE) -> None:
    """Put a small region in the middle of the canvas, with its surroundings.

    Parameters
    ----------
    viewer : napari Viewer
        With world coordinates in micrometres.
    region : Region
        Where to look.
    share : float
        Part of the canvas's shorter side that the region's longer side takes.
    """
    side = max(region.height, region.width)
    y, x = region.centre
    fit(viewer, Region(y - side / 2, x - side / 2, side, side), share)
