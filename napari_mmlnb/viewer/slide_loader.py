"""Opens slides off the GUI thread, with all that the first picture needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_mmlnb.errors import ImplausibleMppError, MppMissingError
from napari_mmlnb.slides.location import Location
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.viewer.job_watcher import JobWatcher
from napari_mmlnb.viewer.slide_opening import AskMpp, Scale

if TYPE_CHECKING:
    from napari_mmlnb.slides.slide import Slide

# Somebody has clicked and waits for a picture.
POLL_MS = 5


class SlideLoader(QObject):
    """One slide at a time; a second one takes the place of the first.

    Parameters
    ----------
    ask : callable
        Asks a person for a missing scale, on the GUI thread; see `napari_mmlnb.viewer.slide_opening`.

    Signals
    -------
    opened : Slide
        It is open, and what the whole of it looks like has been read.
    failed : object
        The exception.
    stopped
        The person gave up.
    """

    opened = Signal(object)
    failed = Signal(object)
    stopped = Signal()

    def __init__(self, ask: AskMpp, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ask = ask
        self._location: Location | None = None
        self._backend: str | None = None
        self._watcher = JobWatcher(self, POLL_MS)
        self._watcher.succeeded.connect(self.opened)
        self._watcher.failed.connect(self._on_failure)
        self._watcher.stopped.connect(self.stopped)

    @property
    def busy(self) -> bool:
        """Whether a slide is being opened."""
        return self._watcher.busy

    def open(self, location: Location, mpp: Scale = None, backend: str | None = None) -> None:
        """Begin to open a slide.

        Parameters
        ----------
        location : Path or RemoteUrl
            File, folder or URL.
        mpp : float or tuple of float, optional
            Micrometres per pixel (x, y), where the file's own must not be used.
        backend : str, optional
            Open it with this backend and no other.
        """
        self.cancel()
        self._location, self._backend = location, backend
        self._watcher.start(_work(location, mpp, backend), "mmlnb-open", lambda slide: slide.close())

    def cancel(self) -> None:
        """Give up; a slide that is open by then is closed again."""
        self._watcher.cancel()

    def _on_failure(self, error: BaseException) -> None:
        if not isinstance(error, MppMissingError | ImplausibleMppError):
            self.failed.emit(error)
            return
        mpp = self._ask(self._location, error.problem)
        if mpp is None:
            self.stopped.emit()
        else:
            self.open(self._location, mpp, self._backend)


def _work(location: Location, mpp: Scale, backend: str | None) -> Callable:
    def work(report, cancelled) -> Slide:  # noqa: ARG001 - a job's signature
        slide = open_slide(location, mpp=mpp, backend=backend)
        try:
            _read_first_view(slide)
        except BaseException:
            slide.close()
            raise
        return slide

    return work


def _read_first_view(slide: Slide) -> None:
    """Decode the coarsest level, which napari reads whole and at once, and what the colour profile says."""
    pyramid = slide.levels_as()
    last = len(pyramid.levels) - 1
    pyramid.read(last, 0, 0, *pyramid.levels[last].grid.shape)
    _ = slide.colour_profile
