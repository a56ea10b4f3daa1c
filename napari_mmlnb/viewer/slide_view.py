"""Carries out what the View box asks for, on the slide that is worked on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_model.types import KeyCode, KeyMod
from qtpy.QtCore import QObject, QTimer

from napari_mmlnb.slides.icc import Colours
from napari_mmlnb.slides.tissue import find_tissue
from napari_mmlnb.viewer import camera, wording
from napari_mmlnb.viewer.error_text import explain
from napari_mmlnb.viewer.job_watcher import JobWatcher
from napari_mmlnb.viewer.level_array import LevelArray
from napari_mmlnb.viewer.session import Session
from napari_mmlnb.viewer.slide_layer import level_arrays, scanned_region
from napari_mmlnb.viewer.slide_shelf import SlideShelf
from napari_mmlnb.viewer.tissue_layer import TissueLayer, TissueOutline
from napari_mmlnb.viewer.view_box import ViewBox

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_mmlnb.slides.slide import Slide

FINDING_TISSUE = "Finding the tissue…"
# The scale is read by a person, once the wheel has come to rest; where no graphics card paints, each change of a text
# costs as much as a picture.
SCALE_MS = 150
DIGITS = (
    KeyCode.Digit1, KeyCode.Digit2, KeyCode.Digit3, KeyCode.Digit4, KeyCode.Digit5, KeyCode.Digit6
)  # fmt: skip


class SlideView(QObject):
    """Magnification, outline of the tissue and colours of the chosen slide.

    Parameters
    ----------
    viewer : napari Viewer
        Where it is shown. Ctrl+1 to Ctrl+6 become its magnifications, Ctrl+0 the whole slide.
    shelf : SlideShelf
        The open slides.
    tissue : TissueLayer
        Where the outline is drawn.
    """

    def __init__(self, viewer: Viewer, shelf: SlideShelf, tissue: TissueLayer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.box = ViewBox()
        self.layer = tissue
        self._viewer = viewer
        self._shelf = shelf
        self._finding: Session | None = None
        self._tissue = JobWatcher(self)
        self._colours = JobWatcher(self)
        self._scale_timer = QTimer(self)
        self._scale_timer.setSingleShot(True)
        self._scale_timer.setInterval(SCALE_MS)
        self._wire()
        self._bind_keys()
        self.show_session()

    def show_session(self) -> None:
        """Show the state of the slide that is worked on now."""
        session = self._shelf.session
        self.box.setVisible(session is not None)
        self.box.show_error("")
        if session is None:
            self.layer.remove()
            return
        self._show_tissue(session)
        self._show_colours(session)
        self._show_scale()

    def fit(self) -> None:
        """Show the whole slide, or what was scanned of it."""
        if self._shelf.session is not None:
            camera.fit(self._viewer, scanned_region(self._shelf.session.slide))

    # Tissue -----------------------------------------------------------------------------------------------------------

    def _on_tissue(self, asked: bool) -> None:
        session = self._shelf.session
        if session is not None:
            session.tissue_asked_for = asked
            self.box.show_error("")
            self._show_tissue(session)

    def _show_tissue(self, session: Session) -> None:
        if not session.tissue_asked_for:
            self.layer.hide()
            self.box.show_tissue(False)
        elif session.tissue is None:
            self.layer.hide()
            self.box.show_tissue(True, FINDING_TISSUE)
            self._find(session)
        else:
            tissue = session.tissue.tissue
            self.layer.show(session.tissue)
            self.box.show_tissue(True, wording.tissue_words(tissue.area_mm2, tissue.fraction))

    def _find(self, session: Session) -> None:
        if self._finding is session and self._tissue.busy:
            return
        self._tissue.cancel()
        self._finding = session
        slide = session.slide
        self._tissue.start(lambda report, cancelled: TissueOutline.of(find_tissue(slide)), "mmlnb-tissue")  # noqa: ARG005

    def _on_found(self, outline: TissueOutline) -> None:
        self._finding.tissue = outline
        if self._finding is self._shelf.session:
            self._show_tissue(self._finding)

    def _on_not_found(self, error: BaseException) -> None:
        self._finding.tissue_asked_for = False
        if self._finding is self._shelf.session:
            self._show_tissue(self._finding)
            self.box.show_error(explain(error))

    # Colours ----------------------------------------------------------------------------------------------------------

    def _on_srgb(self, asked: bool) -> None:
        session = self._shelf.session
        if session is None:
            return
        self._colours.cancel()
        self.box.show_error("")
        colours: Colours = "srgb" if asked else "raw"
        slide = session.slide
        self._colours.start(lambda report, cancelled: (session, colours, _levels(slide, colours)), "mmlnb-colours")  # noqa: ARG005

    def _on_levels(self, outcome: tuple[Session, Colours, list[LevelArray]]) -> None:
        session, colours, levels = outcome
        layer = self._shelf.layer_of(session)
        if layer is not None:
            session.colours = colours
            layer.data = levels

    def _on_no_levels(self, error: BaseException) -> None:
        if self._shelf.session is not None:
            self._show_colours(self._shelf.session)
            self.box.show_error(explain(error))

    def _show_colours(self, session: Session) -> None:
        profile = session.slide.colour_profile if session.slide.metadata.icc_bytes else None
        if profile is None:
            self.box.show_colours(None, False)
        else:
            self.box.show_colours(profile.description, session.colours == "srgb", profile.problem)

    # Magnification ----------------------------------------------------------------------------------------------------

    def _show_scale(self) -> None:
        times = camera.magnification(self._viewer)
        # The half per cent that a preset holds back is nobody's concern.
        near = next((each for each in camera.MAGNIFICATIONS if abs(times / each - camera.BACK_OFF) < 1e-3), None)
        words = wording.magnification_words(camera.um_per_screen_px(self._viewer), near or times)
        self.box.show_scale(words, near)

    def _on_zoom(self) -> None:
        self._scale_timer.start()

    def _magnify(self, times: float) -> None:
        camera.magnify(self._viewer, times)
        self._show_scale()

    # Putting it together ----------------------------------------------------------------------------------------------

    def _wire(self) -> None:
        self.box.magnification_asked.connect(self._magnify)
        self.box.fit_asked.connect(self.fit)
        self.box.tissue_asked.connect(self._on_tissue)
        self.box.srgb_asked.connect(self._on_srgb)
        self._tissue.succeeded.connect(self._on_found)
        self._tissue.failed.connect(self._on_not_found)
        self._colours.succeeded.connect(self._on_levels)
        self._colours.failed.connect(self._on_no_levels)
        self._scale_timer.timeout.connect(self._show_scale)
        self._viewer.scene.camera.events.zoom.connect(self._on_zoom)

    def _bind_keys(self) -> None:
        self._viewer.bind_key(KeyMod.CtrlCmd | KeyCode.Digit0, lambda viewer: self.fit(), overwrite=True)  # noqa: ARG005
        for digit, times in zip(DIGITS, camera.MAGNIFICATIONS, strict=True):
            self._viewer.bind_key(
                KeyMod.CtrlCmd | digit, lambda viewer, times=times: camera.magnify(viewer, times), overwrite=True
            )


def _levels(slide: Slide, colours: Colours) -> list[LevelArray]:
    """The levels in those colours, the coarsest of them read already: napari reads it whole when it gets them."""
    levels = level_arrays(slide, colours)
    _ = levels[-1][:, :]
    return levels
