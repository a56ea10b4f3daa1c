"""`mmlnb view`: napari with the workspace laid out."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from napari_mmlnb.cli.mpp import MPP
from napari_mmlnb.cli.slide_option import SLIDE, backend_option
from napari_mmlnb.errors import MissingExtraError, RequestError

if TYPE_CHECKING:
    from napari_mmlnb.slides.location import Location


@click.command(name="view", short_help="Open napari with the workspace laid out.")
@click.argument("slide", required=False, type=SLIDE)
@click.option("--mpp", type=MPP, help="Micrometres per pixel, X or X,Y, where the file does not say or is wrong.")
@backend_option
def command(slide: Location | None, mpp: tuple[float, float] | None, backend: str | None) -> None:
    """Open napari with the workspace, and SLIDE in it where one is given."""
    check_gui()
    if slide is not None:
        from napari_mmlnb.slides.backends.registry import open_reader

        open_reader(slide, backend)[0].close()
    from napari_mmlnb.viewer.launch import run_workspace

    run_workspace(slide, mpp=mpp, backend=backend)


def check_gui() -> None:
    """Find out whether a window can be opened, before Qt ends the program over it.

    Raises
    ------
    MissingExtraError
        If napari or Qt is not installed.
    RequestError
        If there is no display.
    """
    if find_spec("napari") is None or find_spec("qtpy") is None:
        raise MissingExtraError("napari", "gui")
    if not any(find_spec(binding) for binding in ("PySide6", "PyQt6")):
        raise MissingExtraError("Qt", "gui")
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise RequestError(
            "There is no display to open a window on.",
            "Start it on a desktop, or use 'mmlnb classify', which needs none.",
        )
