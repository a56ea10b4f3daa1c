"""How a slide feels in a real window: the first picture, the reads, and how long the window does not answer.

Needs a display. The window that is measured is the one that `mmlnb view` opens, without models; a script over the
tissue is played in it (`napari_mmlnb.viewer.view_script`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import TYPE_CHECKING

import numpy as np
import psutil
from qtpy.QtCore import QEventLoop, QTimer

from napari_mmlnb.errors import SlideError
from napari_mmlnb.viewer.view_script import CameraStep, ViewScript

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_mmlnb.slides.location import Location
    from napari_mmlnb.slides.tile_cache import TileCache

CANVAS_PX = (800, 1000)
STEP_MS = 33
HEARTBEAT_MS = 1
SETTLE_S = 1.0
LIMIT_S = 120.0
FILL_UM_PER_PX = 0.5
FULL_SHARE = 0.98
"""Of the cache: beyond it a further tile may have no room."""
EVICTING_VIEWS = 60
"""Views beyond the one that filled the cache: while it evicts, memory must not grow on."""


@dataclass(frozen=True)
class ViewFigures:
    """What was measured.

    Parameters
    ----------
    first_frame_s : float
        From asking for the slide to its first picture, seconds, in a process that has shown a slide before.
    first_frame_cold_s : float
        The same for the first slide of a process, with the loading of libraries.
    slice_read_ms_p50, slice_read_ms_p95 : float
        Reads of what is to be painted, milliseconds.
    slice_reads : int
        How many there were.
    gui_block_ms_p95, gui_block_ms_max : float
        How long the window did not answer after each step of the camera, milliseconds.
    rss_mb : float
        Resident memory over that of an idle napari, MiB: at most, during the script and, where the cache can be
        filled, while it evicts.
    cache_limit_mb : float
        What the slide may keep decoded, MiB; 0 where that is not known.
    """

    first_frame_s: float
    first_frame_cold_s: float
    slice_read_ms_p50: float
    slice_read_ms_p95: float
    slice_reads: int
    gui_block_ms_p95: float
    gui_block_ms_max: float
    rss_mb: float
    cache_limit_mb: float


class Subject:
    """What opens slides in the window that is measured; another plugin can stand in its place.

    Parameters
    ----------
    viewer : napari Viewer
        The window.

    Attributes
    ----------
    failed : str
        Why a slide could not be opened; empty while nothing went wrong.
    """

    def __init__(self, viewer: Viewer) -> None:
        from napari_mmlnb.viewer.workspace import Workspace  # noqa: PLC0415 - part of what the first slide costs

        self.viewer = viewer
        self.failed = ""
        self.workspace = Workspace(viewer, bundles=lambda: ())
        self.workspace.slide_not_opened.connect(self._on_not_opened)
        viewer.window.add_dock_widget(self.workspace, area="right", add_vertical_stretch=False)

    def open(self, path: Location, on_failure: Callable[[], None]) -> None:
        """Ask for a slide; it may come later, or not at all."""
        self._on_failure = on_failure
        self.workspace.open_slide(path)

    def um_per_world(self) -> float:
        """Micrometres of one unit of napari's world."""
        return 1.0

    def fill(self, play: Callable[[Iterable[CameraStep]], None]) -> float:
        """Fill the cache and go on until it has evicted; its limit in bytes."""
        from napari_mmlnb.viewer.view_script import fresh_views  # noqa: PLC0415

        slide = self.workspace.shelf.session.slide
        views = fresh_views(slide, FILL_UM_PER_PX, tuple(self.viewer.canvas.size))
        play(until_full(views, slide.cache))
        return float(slide.cache.limit_bytes)

    def _on_not_opened(self) -> None:
        self.failed = self.workspace.slide_box.error.text()
        self._on_failure()


def measure_view(
    path: Location, *, subject: Callable[[Viewer], Subject] = Subject, script: ViewScript | None = None
) -> ViewFigures:
    """Open a window, look at a slide in it, close it.

    Parameters
    ----------
    path : Path or RemoteUrl
        The slide.
    subject : callable, optional
        What opens it, given the viewer; this program by default.
    script : ViewScript, optional
        What to do with it; pans and zooms over its tissue by default.

    Returns
    -------
    ViewFigures
        The figures.

    Raises
    ------
    SlideError
        If the slide cannot be opened.
    TimeoutError
        If nothing is painted within two minutes.
    """
    import napari  # noqa: PLC0415 - a second; only whoever measures needs it

    script = script or script_for(path)
    viewer = napari.Viewer(show=True)
    try:
        _pass_time(SETTLE_S)
        idle = _rss()
        opener = subject(viewer)
        _set_canvas(viewer)
        cold = _first_frame(viewer, opener, path)
        _pass_time(SETTLE_S)
        viewer.layers.clear()
        _pass_time(SETTLE_S)
        warm = _first_frame(viewer, opener, path)
        _pass_time(SETTLE_S)
        player = _Player(viewer, opener.um_per_world())
        with _timed_reads(_slide_layer(viewer)) as reads:
            player.play(script.steps)
        blocks = list(player.blocks)
        limit = opener.fill(player.play)
        peak = max(player.rss)
    finally:
        viewer.close()
    return ViewFigures(
        first_frame_s=warm,
        first_frame_cold_s=cold,
        slice_read_ms_p50=_percentile(reads, 50),
        slice_read_ms_p95=_percentile(reads, 95),
        slice_reads=len(reads),
        gui_block_ms_p95=_percentile(blocks, 95),
        gui_block_ms_max=max(blocks) * 1e3,
        rss_mb=(peak - idle) / 2**20,
        cache_limit_mb=limit / 2**20,
    )


def script_for(path: Location) -> ViewScript:
    """Pans and zooms over the tissue of a slide.

    Raises
    ------
    SlideError
        If the slide cannot be opened.
    """
    from napari_mmlnb.slides.slide import open_slide  # noqa: PLC0415
    from napari_mmlnb.slides.tissue import find_tissue  # noqa: PLC0415

    with open_slide(path) as slide:
        return ViewScript.over(find_tissue(slide), CANVAS_PX)


@dataclass
class _Player:
    """Takes the steps of a script from Qt's event loop, and feels how long it does not turn."""

    viewer: Viewer
    um_per_world: float
    blocks: list[float] = field(default_factory=list)
    rss: list[int] = field(default_factory=list)

    def play(self, steps: Iterable[CameraStep]) -> None:
        """Take the steps; `blocks` holds the longest block after each, seconds, and `rss` the memory."""
        self.blocks.clear()
        loop, remaining = QEventLoop(), iter(steps)
        beat = _Heartbeat()

        def take() -> None:
            step = next(remaining, None)
            if beat.taken:
                self.blocks.append(beat.longest())
            self.rss.append(_rss())
            if step is None:
                loop.quit()
                return
            beat.reset()
            self._look_at(step)

        timer = QTimer()
        timer.setInterval(STEP_MS)
        timer.timeout.connect(take)
        timer.start()
        loop.exec()
        timer.stop()
        beat.stop()

    def _look_at(self, step: CameraStep) -> None:
        camera = self.viewer.scene.camera
        camera.zoom = self.um_per_world / step.um_per_px
        camera.center = (step.y / self.um_per_world, step.x / self.um_per_world)


class _Heartbeat:
    """A timer that fires every millisecond, unless the thread of the window is busy."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._gaps: list[float] = []
        self.taken = False
        self._timer = QTimer()
        self._timer.setInterval(HEARTBEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def reset(self) -> None:
        """Forget the gaps so far."""
        self._gaps.clear()
        self._last = time.perf_counter()
        self.taken = True

    def longest(self) -> float:
        """The longest gap since, the one that still lasts among them; seconds."""
        return max([*self._gaps, time.perf_counter() - self._last])

    def stop(self) -> None:
        """Beat no more."""
        self._timer.stop()

    def _beat(self) -> None:
        now = time.perf_counter()
        self._gaps.append(now - self._last)
        self._last = now


@contextmanager
def _timed_reads(layer: Layer) -> Iterator[list[float]]:
    """The seconds of each read that a layer makes of what is to be painted."""
    seconds: list[float] = []
    read = layer.set_view_slice

    def timed() -> None:
        began = time.perf_counter()
        read()
        seconds.append(time.perf_counter() - began)

    layer.set_view_slice = timed
    try:
        yield seconds
    finally:
        del layer.set_view_slice


def _first_frame(viewer: Viewer, opener: Subject, path: Location) -> float:
    """Seconds from asking for a slide to the end of the first painting that holds it."""
    painted: list[float] = []
    loop = QEventLoop()

    def on_draw(_event: object) -> None:
        if _slide_layer(viewer) is not None:
            painted.append(time.perf_counter())
            loop.quit()

    draw = viewer.window._qt_viewer.canvas._scene_canvas.events.draw
    draw.connect(on_draw, position="last")
    QTimer.singleShot(round(LIMIT_S * 1000), loop, loop.quit)
    began = time.perf_counter()
    opener.open(path, loop.quit)
    if not painted:
        # The loop of the window itself: one of ours that looks again and again would keep the other threads waiting.
        loop.exec()
    draw.disconnect(on_draw)
    if opener.failed:
        raise SlideError(path, opener.failed)
    if not painted:
        raise TimeoutError(f"{path} was not painted within {LIMIT_S:.0f} s")
    return painted[0] - began


def _slide_layer(viewer: Viewer) -> Layer | None:
    return next((layer for layer in viewer.layers if getattr(layer, "multiscale", False) and layer.loaded), None)


def _set_canvas(viewer: Viewer) -> None:
    """Give the canvas the same size whatever stands beside it."""
    window = viewer.window._qt_window
    for _ in range(3):
        _pass_time(0.3)
        height, width = viewer.canvas.size
        window.resize(window.width() + CANVAS_PX[1] - width, window.height() + CANVAS_PX[0] - height)
    _pass_time(SETTLE_S)


def _pass_time(seconds: float) -> None:
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()


def until_full(views: Sequence[CameraStep], cache: TileCache) -> Iterator[CameraStep]:
    """Views until the cache has no room for another tile, and some more, which evict; of a small slide, each once."""
    seen = 0
    while seen < len(views) and cache.used_bytes <= FULL_SHARE * cache.limit_bytes:
        yield views[seen]
        seen += 1
    if cache.used_bytes > FULL_SHARE * cache.limit_bytes:
        yield from islice(cycle(views), seen, seen + EVICTING_VIEWS)


def _rss() -> int:
    return psutil.Process().memory_info().rss


def _percentile(seconds: list[float], share: float) -> float:
    return float(np.percentile(seconds, share)) * 1e3 if seconds else 0.0
