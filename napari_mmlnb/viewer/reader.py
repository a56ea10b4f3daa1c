"""napari's way in: files that are whole slides become a lazy image in micrometres."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtWidgets import QApplication

from napari_mmlnb.errors import MmlnbError
from napari_mmlnb.slides.backends.registry import suits_any
from napari_mmlnb.slides.location import locate
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.viewer.error_text import explain
from napari_mmlnb.viewer.mpp_dialog import ask_mpp
from napari_mmlnb.viewer.slide_layer import slide_layer_data
from napari_mmlnb.viewer.slide_opening import open_asking

LayerData = tuple[Any, ...]
ReaderFunction = Callable[[str], list[LayerData]]
NOTHING: list[LayerData] = [(None,)]
"""napari's sign for "read, and there is no layer": it adds none, and complains of nothing."""

logger = logging.getLogger(__name__)


def get_reader(path: str | Sequence[str]) -> ReaderFunction | None:
    """The function that reads `path`; None where it is no slide, or a stack of files.

    Parameters
    ----------
    path : str or sequence of str
        A file, a folder or a URL; at a URL nothing is looked at yet.
    """
    if not isinstance(path, str) or not _suits(path):
        return None
    return read_slide


def _suits(path: str) -> bool:
    try:
        return suits_any(locate(path))
    except MmlnbError:
        return False


def read_slide(path: str) -> list[LayerData]:
    """Read a slide as layer data.

    In a running napari the person is asked for a missing scale, and told in a notification why a slide cannot be
    opened; without one the errors are raised.

    Raises
    ------
    MmlnbError
        Outside a running Qt application, whatever is wrong with the slide.
    """
    if QApplication.instance() is None:
        return [slide_layer_data(open_slide(path))]
    try:
        slide = open_asking(locate(path), ask_mpp)
    except MmlnbError as error:
        _tell(explain(error))
        return NOTHING
    return NOTHING if slide is None else [slide_layer_data(slide)]


def _tell(text: str) -> None:
    from napari.utils.notifications import show_error  # noqa: PLC0415 - napari is there when Qt runs, not before

    show_error(text)
