"""The dock: puts the boxes together and wires them to slide, run, overlays and export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QFileDialog, QFrame, QInputDialog, QScrollArea, QVBoxLayout, QWidget

from napari_mmlnb.errors import MmlnbError
from napari_mmlnb.result import RunResult
from napari_mmlnb.slides.location import RemoteUrl, locate
from napari_mmlnb.viewer import wording
from napari_mmlnb.viewer.attention_box import AttentionBox
from napari_mmlnb.viewer.banner import Banner
from napari_mmlnb.viewer.camera import go_to
from napari_mmlnb.viewer.decision_box import DecisionBox
from napari_mmlnb.viewer.describer_box import DescriberBox
from napari_mmlnb.viewer.description_box import DescriptionBox
from napari_mmlnb.viewer.engine import (
    ClassifyStream,
    ListBundles,
    ListDescribers,
    PrepareEngine,
    classify_stream,
    list_bundles,
    list_describers,
    prepare_engine,
)
from napari_mmlnb.viewer.error_text import explain
from napari_mmlnb.viewer.evidence_list import EvidenceList
from napari_mmlnb.viewer.export_box import ExportBox
from napari_mmlnb.viewer.export_control import ExportControl
from napari_mmlnb.viewer.job_watcher import JobWatcher
from napari_mmlnb.viewer.model_box import ModelBox
from napari_mmlnb.viewer.mpp_dialog import ask_mpp
from napari_mmlnb.viewer.overlays import Overlays
from napari_mmlnb.viewer.provisional_box import ProvisionalBox
from napari_mmlnb.viewer.run_box import RunBox
from napari_mmlnb.viewer.run_control import RunControl
from napari_mmlnb.viewer.said_box import SaidBox
from napari_mmlnb.viewer.scene import dress_scene
from napari_mmlnb.viewer.section import Column
from napari_mmlnb.viewer.session import Session
from napari_mmlnb.viewer.slide_box import SlideBox
from napari_mmlnb.viewer.slide_layer import add_slide
from napari_mmlnb.viewer.slide_loader import SlideLoader
from napari_mmlnb.viewer.slide_opening import Scale
from napari_mmlnb.viewer.slide_shelf import SlideShelf
from napari_mmlnb.viewer.slide_view import SlideView
from napari_mmlnb.viewer.verdict_box import VerdictBox

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_mmlnb.slides.slide import Slide

MIN_WIDTH_PX = 320
WIDTH_PX = 390


class Workspace(QWidget):
    """Everything a reader needs beside the slide, from opening it to the saved report.

    Parameters
    ----------
    napari_viewer : napari Viewer
        Where slides and overlays are shown.
    classify : callable, optional
        How a slide is classified; the program's own runner by default.
    bundles : callable, optional
        Lists the model bundles; asked off the GUI thread.
    describers : callable, optional
        Lists what can describe in words; asked there too.
    prepare : callable, optional
        Loads what a run with a bundle needs; called off the GUI thread as soon as the bundle is chosen, so that the
        click on Classify is answered at once. What it raises is left for the run to say.

    Signals
    -------
    slide_opened : Session
        A slide that was asked for is on the canvas.
    slide_not_opened
        It is not; the dock says why, unless the person gave up.
    """

    slide_opened = Signal(object)
    slide_not_opened = Signal()

    def __init__(
        self,
        napari_viewer: Viewer,
        *,
        classify: ClassifyStream = classify_stream,
        bundles: ListBundles = list_bundles,
        describers: ListDescribers = list_describers,
        prepare: PrepareEngine = prepare_engine,
    ) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.overlays = Overlays(napari_viewer)
        self.shelf = SlideShelf(napari_viewer, self)
        self.view = SlideView(napari_viewer, self.shelf, self.overlays.tissue, self)
        self.loader = SlideLoader(ask_mpp, self)
        self._result_to_come: RunResult | None = None
        self.run = RunControl(classify, self)
        self.export = ExportControl(self)
        self._bundles = JobWatcher(self)
        self._prepare = prepare
        self._preparation = JobWatcher(self)
        self.banner = Banner()
        self.slide_box = SlideBox()
        self.model_box = ModelBox()
        self.describer_box = DescriberBox()
        self.run_box = RunBox()
        self.provisional = ProvisionalBox()
        self.said = SaidBox()
        self.verdict = VerdictBox()
        self.description = DescriptionBox()
        self.attention = AttentionBox(self.overlays.heatmap.opacity)
        self.evidence = EvidenceList()
        self.decision = DecisionBox()
        self.export_box = ExportBox()
        self._of_result = (
            self.verdict, self.description, self.attention, self.evidence, self.decision, self.export_box
        )  # fmt: skip
        self._lay_out()
        self._wire()
        dress_scene(napari_viewer)
        self._bundles.start(lambda report, cancelled: (bundles(), describers()), "mmlnb-bundles")  # noqa: ARG005
        self._on_shelf()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Wide enough for three columns of probabilities."""
        return QSize(WIDTH_PX, 800)

    # Slides -----------------------------------------------------------------------------------------------------------

    def open_slide(
        self,
        place: Path | str | RemoteUrl,
        mpp: Scale = None,
        result: RunResult | None = None,
        backend: str | None = None,
    ) -> None:
        """Begin to open a slide and to work on it; what is wrong with it is said in the dock.

        Parameters
        ----------
        place : path-like, str or RemoteUrl
            File, folder or URL.
        mpp : float or tuple of float, optional
            Micrometres per pixel (x, y); asked for where the file does not say.
        result : RunResult, optional
            A finished run on it, shown with the slide.
        backend : str, optional
            Open it with this backend and no other.
        """
        try:
            location = locate(place)
        except MmlnbError as error:
            self.slide_box.end_opening(explain(error))
            return
        self._result_to_come = result
        self.loader.open(location, mpp, backend)
        self.slide_box.begin_opening(location.name)

    def show_result(self, result: RunResult) -> None:
        """Show a finished run on the chosen slide."""
        session = self.shelf.session
        if session is not None:
            session.finish(result)
            self._show(session)

    def _on_opened(self, slide: Slide) -> None:
        result, self._result_to_come = self._result_to_come, None
        self.slide_box.end_opening()
        add_slide(self.viewer, slide)
        if result is not None:
            self.show_result(result)
        self.slide_opened.emit(self.shelf.session)

    def _on_not_opened(self, error: BaseException | None = None) -> None:
        self._result_to_come = None
        self.slide_box.end_opening(explain(error) if error is not None else "")
        self.slide_not_opened.emit()

    def _ask_for_slide(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open a whole slide")
        if name:
            self.open_slide(Path(name))

    def _ask_for_slide_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Open a folder (DICOM, OME-Zarr)")
        if name:
            self.open_slide(Path(name))

    def _ask_for_address(self) -> None:
        address, accepted = QInputDialog.getText(self, "Open a slide at an address", "https://, s3:// or gs://")
        if accepted and address.strip():
            self.open_slide(address.strip())

    def _on_shelf(self) -> None:
        session = self.shelf.session
        running = self.run.session
        self.slide_box.set_slides(self.shelf.names, self.shelf.index)
        self.slide_box.show_slide(session.slide if session is not None else None)
        self.view.show_session()
        self.describer_box.set_slide(session)
        if session is not None and session is running:
            return
        if running is not None:
            self.run.cancel()
        if session is None:
            self.overlays.clear()
        self.run_box.end()
        self._set_ready()
        self._show(session)

    @property
    def preparing(self) -> bool:
        """Whether the engine is still being made ready for the chosen model."""
        return self._preparation.busy

    # The run ----------------------------------------------------------------------------------------------------------

    def classify(self) -> None:
        """Classify the chosen slide with the chosen model."""
        session, bundle = self.shelf.session, self.model_box.bundle
        if session is None or bundle is None or self.run.session is not None or self.describer_box.problem:
            return
        self.run_box.begin()
        self._show(None)
        self.run.start(session, str(bundle.path), self.describer_box.choice)

    def _on_answered(self, session: Session) -> None:
        """All but the words of a describing model; what is saved waits for these."""
        self._show(session)
        self.export_box.hide()

    def _on_finished(self, session: Session) -> None:
        self.run_box.end(status=f"Done: {wording.coverage_line(session.result)}")
        if self.run.answered_early:
            self._show_words(session)
        else:
            self._show(session)

    def _on_failed(self, error: BaseException) -> None:
        self.run_box.end(error=explain(error))
        self._show(self.shelf.session)

    def _on_stopped(self) -> None:
        self.run_box.end(status="Cancelled.")
        self._show(self.shelf.session)

    def _on_bundles(self, found) -> None:
        bundles, describers = found
        self.describer_box.set_describers(describers)
        self.model_box.set_bundles(bundles)
        self._set_ready()

    def _on_bundles_failed(self, error: BaseException) -> None:
        self.model_box.set_error(explain(error))

    def _on_bundle(self) -> None:
        bundle = self.model_box.bundle
        self.banner.set_notice(bundle.notice if bundle is not None else "")
        self.describer_box.set_bundle(bundle)
        self._preparation.cancel()
        if bundle is not None:
            self._preparation.start(lambda report, cancelled: self._prepare(str(bundle.path)), "mmlnb-prepare")  # noqa: ARG005

    def _set_ready(self) -> None:
        chosen = self.model_box.bundle is not None and not self.describer_box.problem
        self.run_box.set_ready(self.shelf.session is not None and chosen)

    # The result -------------------------------------------------------------------------------------------------------

    def _show(self, session: Session | None) -> None:
        result = session.result if session is not None else None
        self.provisional.clear()
        self.said.clear()
        for box in self._of_result:
            box.setVisible(result is not None)
        self.export_box.reset()
        if session is None or result is None:
            self.overlays.hide()
            return
        self.overlays.show_findings(result)
        self.verdict.show_result(result)
        self.description.show_result(result)
        self.attention.offer(() if session.abstained or result.maps is None else result.classes)
        self.attention.setVisible(result.maps is not None)
        self.decision.set_classes(result.classes)
        self.decision.set_draft(session.draft)
        self._show_attention(session)

    def _show_words(self, session: Session) -> None:
        """Add a describing model's words to what is shown; whatever the reader chose or typed meanwhile stays."""
        self.said.clear()
        self.description.show_words(session.result)
        self.evidence.show_words(session.result)
        self.export_box.setVisible(True)

    def _show_attention(self, session: Session) -> None:
        self.attention.set_abstained(session.abstained, session.attention_asked_for)
        self.evidence.show_result(session.result, with_attention=not session.abstained or session.attention_asked_for)
        self._on_map_chosen(self.attention.class_id)

    def _on_map_chosen(self, class_id: str | None) -> None:
        session = self.shelf.session
        if session is None or session.result is None:
            return
        self.overlays.show_heatmap(session, class_id)
        layer = self.overlays.heatmap.layer
        if layer is not None and self.overlays.heatmap.shown:
            self.attention.set_scale(layer.colormap.colors, tuple(layer.contrast_limits))

    def _on_asked(self, asked: bool) -> None:
        session = self.shelf.session
        if session is not None and session.result is not None:
            session.attention_asked_for = asked
            self._show_attention(session)

    def _on_tile(self, index: int) -> None:
        session = self.shelf.session
        if session is not None and session.result is not None:
            self.overlays.evidence.choose(index)
            self.description.show_measurements(session.result.evidence[index])

    def _on_tile_asked(self, rank: int) -> None:
        session = self.shelf.session
        ranks = [e.rank for e in session.result.evidence] if session is not None and session.result is not None else []
        if rank in ranks:
            self.evidence.choose(ranks.index(rank))

    def _on_draft(self, draft) -> None:
        if self.shelf.session is not None:
            self.shelf.session.draft = draft

    # Saving -----------------------------------------------------------------------------------------------------------

    def _ask_for_pdf(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Export the report", "report.pdf", "PDF (*.pdf)")
        if name and not self.export.busy:
            self.export_box.begin()
            self.export.save_pdf(self.shelf.session, Path(name))

    def _ask_for_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Choose a folder for the results")
        if name and not self.export.busy:
            self.export_box.begin()
            self.export.save_results(self.shelf.session, Path(name))

    # Putting it together ----------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        inside = Column()
        of_slide = (self.banner, self.slide_box, self.view.box, self.model_box, self.describer_box)
        for box in (*of_slide, self.run_box, self.provisional, self.said, *self._of_result):
            inside.sections.addWidget(box)
        inside.sections.addStretch(1)
        self.scroll = QScrollArea()
        self.scroll.setWidget(inside)
        self.scroll.setWidgetResizable(True)
        self.scroll.setFrameShape(QFrame.Shape.NoFrame)
        self.scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.scroll)
        self.setMinimumWidth(MIN_WIDTH_PX)

    def _wire(self) -> None:
        self.shelf.changed.connect(self._on_shelf)
        self.slide_box.chosen.connect(self.shelf.choose)
        self.slide_box.open_asked.connect(self._ask_for_slide)
        self.slide_box.folder_asked.connect(self._ask_for_slide_folder)
        self.slide_box.address_asked.connect(self._ask_for_address)
        self.slide_box.cancel_asked.connect(self.loader.cancel)
        self.slide_box.damage.asked.connect(lambda region: go_to(self.viewer, region))
        self.loader.opened.connect(self._on_opened)
        self.loader.failed.connect(self._on_not_opened)
        self.loader.stopped.connect(self._on_not_opened)
        self.model_box.changed.connect(self._on_bundle)
        self.describer_box.changed.connect(self._set_ready)
        self._bundles.succeeded.connect(self._on_bundles)
        self._bundles.failed.connect(self._on_bundles_failed)
        self.run_box.classify_asked.connect(self.classify)
        self.run_box.cancel_asked.connect(self.run.cancel)
        self.run.progressed.connect(lambda u: self.run_box.show_progress(u.stage, u.message, u.done, u.total))
        self.run.maps_changed.connect(self.overlays.show_partial)
        self.run.estimate_changed.connect(self.provisional.show_estimate)
        self.run.said_changed.connect(self.said.show_said)
        self.run.answered.connect(self._on_answered)
        self.run.finished.connect(self._on_finished)
        self.run.failed.connect(self._on_failed)
        self.run.stopped.connect(self._on_stopped)
        self.attention.chosen.connect(self._on_map_chosen)
        self.attention.asked.connect(self._on_asked)
        self.attention.opacity_changed.connect(lambda value: setattr(self.overlays.heatmap, "opacity", value))
        self.evidence.chosen.connect(self._on_tile)
        self.description.tile_asked.connect(self._on_tile_asked)
        self.decision.changed.connect(self._on_draft)
        self.export_box.pdf_asked.connect(self._ask_for_pdf)
        self.export_box.results_asked.connect(self._ask_for_folder)
        self.export.saved.connect(self.export_box.succeed)
        self.export.failed.connect(lambda error: self.export_box.fail(explain(error)))
