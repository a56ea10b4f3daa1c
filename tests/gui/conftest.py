"""A real napari with a real window; skipped, saying so, where there is no display."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from napari_mmlnb.describe.base import DescriberFacts
from napari_mmlnb.slides.slide import Slide, open_slide
from napari_mmlnb.viewer.native_libraries import load_triton_apart
from tests.gui.opening import open_and_wait
from tests.gui.runs import BUNDLE

HERE = Path(__file__).parent

# As the dock does before it loads models. Tests elsewhere load them without it, after these have loaded a GL driver.
load_triton_apart()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a display, and skip it where there is none."""
    headless = sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    for item in items:
        if HERE in item.path.parents and {"make_napari_viewer", "qtbot"} & set(item.fixturenames):
            item.add_marker(pytest.mark.gui)
            if headless:
                item.add_marker(pytest.mark.skip(reason="no display: start Xvfb and set DISPLAY"))


@pytest.fixture
def slide(small_slide: Path) -> Iterator[Slide]:
    """An open slide of 750 x 600 micrometres."""
    with open_slide(small_slide) as opened:
        yield opened


@pytest.fixture
def make_workspace(make_napari_viewer: Callable, qtbot) -> Callable:
    """Build a workspace in a real viewer, with its models listed and, where given, a slide opened."""
    from napari_mmlnb.viewer.workspace import Workspace

    def make(
        classify: Callable,
        *,
        slide: Path | None = None,
        show: bool = False,
        prepare: Callable[[str], None] = lambda model: None,
        describers: Sequence[DescriberFacts] = (),
    ) -> Workspace:
        viewer = make_napari_viewer(show=show)
        workspace = Workspace(
            viewer, classify=classify, bundles=lambda: (BUNDLE,), describers=lambda: describers, prepare=prepare
        )
        dock = viewer.window.add_dock_widget(workspace, area="right", add_vertical_stretch=False)
        if show:
            dock.window().resize(1400, 900)
        qtbot.wait_until(lambda: workspace.model_box.bundle is not None)
        if slide is not None:
            assert open_and_wait(workspace, qtbot, slide) is not None
        return workspace

    return make
