"""The whole, as the command line opens it: a real bundle, a real run, a real window."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("napari")

import napari

from napari_mmlnb.bundles.registry import BundleFacts
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.viewer.launch import DOCK_NAME, open_workspace
from tests.bundle_factory import make_bundle
from tests.gui.opening import OPENING_LIMIT_MS, open_and_wait
from tests.gui.runs import BUNDLE, make_result


@pytest.fixture
def opened(make_napari_viewer, qtbot, monkeypatch) -> Iterator:
    """`open_workspace` with the viewer that the test's own fixture cleans up."""
    monkeypatch.setattr(napari, "Viewer", lambda title, show: make_napari_viewer(title=title, show=show))

    def run(*args, **kwargs):
        viewer = open_workspace(*args, bundles=lambda: (BUNDLE,), **kwargs)
        workspace = viewer.window.dock_widgets[DOCK_NAME]
        qtbot.wait_until(lambda: not workspace.loader.busy, timeout=OPENING_LIMIT_MS)
        return viewer, workspace

    return run


def test_a_finished_run_is_shown_with_its_slide_fitted_to_the_canvas(opened, small_slide):
    with open_slide(small_slide) as slide:
        result = make_result(slide)
    viewer, workspace = opened(small_slide, result)
    assert workspace.verdict.headline.text() == "Poorly differentiated"
    assert workspace.overlays.heatmap.shown
    low, high = workspace.shelf.layer.extent.world
    shown = np.array(viewer.canvas.size) / viewer.scene.camera.zoom
    assert (high - low <= shown).all()
    assert (2 * (high - low) > shown).any()


def test_a_given_scale_overrides_the_file(opened, small_slide):
    _, workspace = opened(small_slide, mpp=(0.25, 0.4), show=False)
    assert workspace.shelf.session.slide.mpp.xy == (0.25, 0.4)
    assert "given by the user" in workspace.slide_box.facts.scale.text()


def test_the_programs_own_runner_fills_the_docks(make_napari_viewer, qtbot, small_slide, tmp_path):
    from napari_mmlnb.viewer.workspace import Workspace

    bundle = make_bundle(tmp_path / "untrained")
    spec = bundle.spec
    facts = BundleFacts(
        spec.name, spec.version, spec.summary, spec.notice, "mmlnb", spec.licence, tmp_path / "untrained"
    )
    viewer = make_napari_viewer()
    workspace = Workspace(viewer, bundles=lambda: (facts,))
    viewer.window.add_dock_widget(workspace, area="right", add_vertical_stretch=False)
    qtbot.wait_until(lambda: workspace.model_box.bundle is not None)
    assert open_and_wait(workspace, qtbot, small_slide) is not None
    workspace.run_box.classify_button.click()
    qtbot.wait_until(lambda: workspace.run.session is None, timeout=120_000)
    result = workspace.shelf.session.result
    assert workspace.run_box.error.text() == ""
    assert result.prediction is not None
    assert workspace.verdict.headline.text() == result.class_record(result.prediction).label
    assert workspace.evidence.list.count() == len(result.evidence) > 0
    heatmap = workspace.overlays.heatmap.layer
    first = result.evidence[0]
    assert heatmap.get_value(first.region.centre, world=True) == pytest.approx(first.attention)
