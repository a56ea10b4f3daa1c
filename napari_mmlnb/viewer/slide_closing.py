"""Lets go of slides that nobody looks at any more, without making anybody wait for it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_mmlnb.slides.slide import Slide


def close_behind(slide: Slide) -> None:
    """Close a slide in a thread: tiles that are being decoded are finished first, and a remote one may take its time.

    Whoever still reads it gets a `SlideReadError`.
    """
    _in_a_thread(slide.close)


def close_when_forgotten(slide: Slide) -> None:
    """Close a slide once nothing refers to it; its decoding threads would otherwise outlive it.

    For slides that come in through napari's own ways, where nobody follows the layer list.
    """
    # What is called must not refer to the slide itself, or it would never be forgotten.
    ending = weakref.finalize(slide, _close_parts, slide.pool.close, slide.tiles.reader.close)
    ending.atexit = False


def _close_parts(*closings: Callable[[], None]) -> None:
    def close_all() -> None:
        for close in closings:
            close()

    # A slide may be forgotten in one of its own decoding threads, which cannot wait for itself.
    _in_a_thread(close_all)


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="mmlnb-close", daemon=True).start()
