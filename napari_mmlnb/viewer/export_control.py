"""Writes what a person asks to save, off the GUI thread."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QObject, Signal

from napari_mmlnb.viewer.job_watcher import JobWatcher
from napari_mmlnb.viewer.session import Session


class ExportControl(QObject):
    """One export at a time.

    Signals
    -------
    saved : Path
        The file or folder that was written.
    failed : object
        The exception.
    """

    saved = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._watcher = JobWatcher(self)
        self._watcher.succeeded.connect(self.saved)
        self._watcher.failed.connect(self.failed)

    @property
    def busy(self) -> bool:
        """Whether something is being written."""
        return self._watcher.busy

    def save_pdf(self, session: Session, path: Path) -> None:
        """Write the report alone."""
        result, review = session.result, session.review()

        def work(report, cancelled):  # noqa: ARG001 - a report is written in one go
            from napari_mmlnb.report.pdf import write_pdf  # noqa: PLC0415 - typesetting is loaded when it is asked for

            write_pdf(result, path, review)
            return path

        self._watcher.start(work, "mmlnb-pdf")

    def save_results(self, session: Session, folder: Path) -> None:
        """Write all files of the result into a folder."""
        result, review = session.result, session.review()

        def work(report, cancelled):  # noqa: ARG001 - files are written in one go
            from napari_mmlnb.report.outputs import write_outputs  # noqa: PLC0415

            write_outputs(result, folder, review)
            return folder

        self._watcher.start(work, "mmlnb-results")
