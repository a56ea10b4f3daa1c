"""Make the pictures of the documentation anew, with a real window and real runs.

    python docs/screenshots.py [--out docs/images] [--model FOLDER] [--slide FILE]

Needs a display (`xvfb-run -s "-screen 0 1600x1000x24"` will do) and the extra `gui`. The real slide, which the bundle
abstains on, is CMU-1-Small-Region.svs from the folder that MMLNB_TEST_SLIDES names, or the one of `--slide`; without
one its picture is left out.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
from qtpy.QtCore import QSize
from qtpy.QtGui import QColor, QImage, QPainter
from qtpy.QtPdf import QPdfDocument
from qtpy.QtWidgets import QApplication

from napari_mmlnb.bundles.registry import BundleFacts, available_bundles
from napari_mmlnb.bundles.spec import read_spec
from napari_mmlnb.phantom.slide import write_phantom
from napari_mmlnb.report.pdf import write_pdf
from napari_mmlnb.viewer.launch import DOCK_NAME, open_workspace
from napari_mmlnb.viewer.workspace import Workspace

HERE = Path(__file__).parent
SUBTYPE, SEED = "d", 900_003
RUN_LIMIT_S = 900.0
PAGE_PX = (744, 1052)
GAP_PX = 12


def wait(until: Callable[[], bool], limit_s: float = RUN_LIMIT_S) -> None:
    """Let the window live until something has come about."""
    end = time.monotonic() + limit_s
    while not until():
        if time.monotonic() > end:
            raise TimeoutError
        QApplication.processEvents()
        time.sleep(0.01)


def settle(viewer: napari.Viewer, seconds: float = 1.5) -> None:
    """Let every layer load and the window paint."""
    begun = time.monotonic()
    wait(lambda: all(layer.loaded for layer in viewer.layers) and time.monotonic() - begun > seconds)


def take(viewer: napari.Viewer, path: Path) -> None:
    """Write a picture of the whole window."""
    settle(viewer)
    viewer.screenshot(path=str(path), canvas_only=False, flash=False)
    print(path)


def classify(viewer: napari.Viewer, workspace: Workspace, slide: Path) -> None:
    """Open a slide and classify it as a person would."""
    before = workspace.shelf.session
    workspace.open_slide(slide)
    wait(lambda: not workspace.loader.busy)
    if workspace.shelf.session is before:
        raise SystemExit(workspace.slide_box.error.text())
    wait(lambda: workspace.model_box.bundle is not None)
    settle(viewer)
    workspace.run_box.classify_button.click()
    wait(lambda: workspace.run.session is None)
    if workspace.shelf.session.result is None:
        raise SystemExit(workspace.run_box.error.text())


def scroll_to(workspace: Workspace, box: object) -> None:
    """Bring a box to the top of the dock."""
    workspace.scroll.verticalScrollBar().setValue(box.y())


def take_report(workspace: Workspace, folder: Path, path: Path) -> None:
    """Write a picture of the first two pages of the report of the slide at hand."""
    pdf = folder / "report.pdf"
    write_pdf(workspace.shelf.session.result, pdf)
    document = QPdfDocument(None)
    document.load(str(pdf))
    pages = [document.render(number, QSize(*PAGE_PX)) for number in range(2)]
    sheet = QImage(2 * PAGE_PX[0] + GAP_PX, PAGE_PX[1], QImage.Format.Format_RGB32)
    sheet.fill(QColor("#888888"))
    painter = QPainter(sheet)
    for number, page in enumerate(pages):
        left = number * (PAGE_PX[0] + GAP_PX)
        painter.fillRect(left, 0, *PAGE_PX, QColor("white"))
        painter.drawImage(left, 0, page)
    painter.end()
    sheet.save(str(path))
    document.close()
    print(path)


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=HERE / "images")
    parser.add_argument("--model", type=Path, help="folder of a bundle, in place of the shipped ones")
    parser.add_argument("--slide", type=Path, help="a real slide that the bundle does not know")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    viewer = open_workspace(bundles=(lambda: (facts(asked.model),)) if asked.model else available_bundles)
    workspace = viewer.window.dock_widgets[DOCK_NAME]

    with tempfile.TemporaryDirectory() as folder:
        phantom = Path(folder) / "phantom.tiff"
        write_phantom(phantom, subtype=SUBTYPE, seed=SEED)
        classify(viewer, workspace, phantom)
        scroll_to(workspace, workspace.run_box)
        take(viewer, asked.out / "workspace-phantom.png")
        workspace.evidence.choose(0)
        scroll_to(workspace, workspace.attention)
        take(viewer, asked.out / "workspace-evidence.png")
        take_report(workspace, Path(folder), asked.out / "report-phantom.png")
        real = asked.slide or real_slide()
        if real is not None:
            viewer.layers.clear()
            classify(viewer, workspace, real)
            scroll_to(workspace, workspace.run_box)
            take(viewer, asked.out / "workspace-real-slide.png")
            take_report(workspace, Path(folder), asked.out / "report-abstained.png")
        viewer.close()


def facts(folder: Path) -> BundleFacts:
    """Of a bundle in a folder."""
    spec = read_spec(folder)
    return BundleFacts(spec.name, spec.version, spec.summary, spec.notice, spec.system.name, spec.licence, folder)


def real_slide() -> Path | None:
    """The real slide, where there is one."""
    folder = os.environ.get("MMLNB_TEST_SLIDES")
    path = Path(folder) / "CMU-1-Small-Region.svs" if folder else None
    return path if path is not None and path.exists() else None


if __name__ == "__main__":
    main()
