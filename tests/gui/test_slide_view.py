"""Magnification, tissue and colours as a reader asks for them in the dock."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from app_model.types import KeyCode, KeyMod
from qtpy.QtCore import Qt

pytest.importorskip("napari")

from napari_mmlnb.errors import SlideReadError
from napari_mmlnb.slides.tissue import find_tissue
from napari_mmlnb.viewer import camera, slide_view
from napari_mmlnb.viewer.slide_view import FINDING_TISSUE
from napari_mmlnb.viewer.tissue_layer import INSIDE, RIM
from tests.gui.opening import open_and_wait
from tests.gui.runs import MadeUpRunner
from tests.slides.made import tissue_picture, write_tiff
from tests.slides.test_icc import profile


@pytest.fixture
def coloured_slide(tmp_path):
    """A slide whose colour profile turns every colour brighter."""
    return write_tiff(
        tmp_path / "coloured.tiff", picture=tissue_picture(1200, 1500), downsamples=(4.0,), icc=profile(gamma=1.0)
    )


def press(workspace, key) -> None:
    workspace.viewer.window._qt_viewer._key_map_handler.press_key(key)


def click(qtbot, button) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


# Magnification --------------------------------------------------------------------------------------------------------


def test_a_magnification_is_set_and_marked_and_zooming_on_takes_the_mark_away(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide, show=True)
    box = workspace.view.box
    centre = tuple(workspace.viewer.scene.camera.center)
    click(qtbot, box.magnification_buttons[20.0])
    assert camera.um_per_screen_px(workspace.viewer) == pytest.approx(0.5, rel=0.006)
    assert tuple(workspace.viewer.scene.camera.center) == pytest.approx(centre)
    assert box.scale.text() == "0.503 µm per screen pixel, like 20×"
    assert [times for times, button in box.magnification_buttons.items() if button.isChecked()] == [20.0]
    workspace.viewer.scene.camera.zoom *= 1.3
    qtbot.wait_until(lambda: "like 25.9×" in box.scale.text())
    assert not any(button.isChecked() for button in box.magnification_buttons.values())


def test_the_keys_do_what_the_buttons_do(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide, show=True)
    fitted = workspace.viewer.scene.camera.zoom
    press(workspace, KeyMod.CtrlCmd | KeyCode.Digit6)
    assert camera.um_per_screen_px(workspace.viewer) == pytest.approx(0.25, rel=0.006)
    press(workspace, KeyMod.CtrlCmd | KeyCode.Digit1)
    assert camera.um_per_screen_px(workspace.viewer) == pytest.approx(8.0, rel=0.006)
    workspace.viewer.scene.camera.center = (0.0, 0.0)
    press(workspace, KeyMod.CtrlCmd | KeyCode.Digit0)
    assert workspace.viewer.scene.camera.zoom == pytest.approx(fitted)
    assert tuple(workspace.viewer.scene.camera.center)[-2:] == pytest.approx((300.0, 375.0))


def test_a_second_workspace_in_the_viewer_takes_the_keys_over(make_workspace, small_slide):
    from napari_mmlnb.viewer.workspace import Workspace

    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    second = Workspace(workspace.viewer, bundles=lambda: ())
    press(workspace, KeyMod.CtrlCmd | KeyCode.Digit5)
    assert camera.um_per_screen_px(workspace.viewer) == pytest.approx(0.5, rel=0.006)
    second.shelf.detach()
    second.deleteLater()


def test_without_a_slide_nothing_is_offered(make_workspace, small_slide):
    workspace = make_workspace(MadeUpRunner())
    assert not workspace.view.box.isVisibleTo(workspace)
    press(workspace, KeyMod.CtrlCmd | KeyCode.Digit0)


# Tissue ---------------------------------------------------------------------------------------------------------------


def test_the_outline_of_the_tissue_lies_on_it_and_its_area_is_said(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide, show=True)
    box, layer = workspace.view.box, workspace.overlays.tissue
    box.tissue.setChecked(True)
    qtbot.wait_until(lambda: layer.shown, timeout=10_000)
    # A disc of 0.3 x 600 um radius in the middle of 750 x 600 um.
    assert layer.layer.get_value((300.0, 375.0), world=True) == INSIDE
    rim = layer.layer.data == RIM
    rows, columns = np.nonzero(rim)
    spacing = layer.layer.scale[0]
    distance = np.hypot((rows + 0.5) * spacing - 300, (columns + 0.5) * spacing - 375)
    assert 140 < distance.min() < distance.max() < 200
    assert not layer.layer.get_value((20.0, 20.0), world=True)
    tissue = find_tissue(workspace.shelf.session.slide)
    assert f"{tissue.area_mm2:.2f} mm²" in box.tissue_line.text()
    assert f"{tissue.fraction:.1%}" in box.tissue_line.text()
    assert np.pi * 0.18**2 == pytest.approx(tissue.area_mm2, rel=0.15)
    assert workspace.viewer.layers.selection.active is workspace.shelf.layer
    box.tissue.setChecked(False)
    assert not layer.shown
    assert not box.tissue_line.isVisibleTo(workspace)


def test_tissue_is_found_off_the_thread_of_the_window_and_once(make_workspace, qtbot, small_slide, monkeypatch):
    threads = []
    gate = threading.Event()

    def find(slide):
        threads.append(threading.current_thread())
        gate.wait(10)
        return find_tissue(slide)

    monkeypatch.setattr(slide_view, "find_tissue", find)
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    box = workspace.view.box
    box.tissue.setChecked(True)
    assert box.tissue_line.text() == FINDING_TISSUE
    qtbot.wait_until(lambda: len(threads) == 1)
    box.tissue.setChecked(False)
    box.tissue.setChecked(True)
    gate.set()
    qtbot.wait_until(lambda: workspace.overlays.tissue.shown)
    box.tissue.setChecked(False)
    box.tissue.setChecked(True)
    assert workspace.overlays.tissue.shown
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_tissue_that_cannot_be_found_is_explained_and_unticked(make_workspace, qtbot, small_slide, monkeypatch):
    def find(slide):
        raise SlideReadError(slide.path, "Nothing of the slide can be decoded.", "Copy it again.")

    monkeypatch.setattr(slide_view, "find_tissue", find)
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    box = workspace.view.box
    box.tissue.setChecked(True)
    qtbot.wait_until(lambda: box.error.isVisibleTo(workspace))
    assert "Copy it again" in box.error.text()
    assert not box.tissue.isChecked()
    assert not workspace.overlays.tissue.shown


def test_each_slide_keeps_its_own_outline(make_workspace, qtbot, small_slide, make_tiff):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    box = workspace.view.box
    box.tissue.setChecked(True)
    qtbot.wait_until(lambda: workspace.overlays.tissue.shown, timeout=10_000)
    words = box.tissue_line.text()
    open_and_wait(workspace, qtbot, make_tiff("other.tiff", picture=tissue_picture(900, 800, seed=3)))
    assert not box.tissue.isChecked()
    assert not workspace.overlays.tissue.shown
    workspace.shelf.choose(0)
    assert box.tissue.isChecked()
    assert box.tissue_line.text() == words
    assert workspace.overlays.tissue.shown
    workspace.viewer.layers.clear()
    assert workspace.overlays.tissue.layer is None


def test_a_run_leaves_the_outline_where_it_is(make_workspace, qtbot, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    workspace.view.box.tissue.setChecked(True)
    qtbot.wait_until(lambda: workspace.overlays.tissue.shown, timeout=10_000)
    click(qtbot, workspace.run_box.classify_button)
    qtbot.wait_until(lambda: workspace.run.session is None, timeout=10_000)
    assert workspace.overlays.tissue.shown
    names = [layer.name for layer in workspace.viewer.layers]
    assert names.index("evidence") > names.index("tissue")


# Colours --------------------------------------------------------------------------------------------------------------


def test_a_slide_without_a_profile_offers_no_srgb(make_workspace, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    assert not workspace.view.box.srgb.isVisibleTo(workspace)


def test_srgb_changes_what_is_seen_and_neither_camera_nor_contrast_nor_the_pixels_that_runs_get(
    make_workspace, qtbot, coloured_slide
):
    workspace = make_workspace(MadeUpRunner(), slide=coloured_slide, show=True)
    box, layer, slide = workspace.view.box, workspace.shelf.layer, workspace.shelf.session.slide
    assert box.srgb.isVisibleTo(workspace)
    assert "Scanner 7" in box.srgb.toolTip()
    click(qtbot, box.magnification_buttons[20.0])
    layer.gamma, layer.contrast_limits = 0.8, (10, 240)
    qtbot.wait(200)
    seen = (tuple(workspace.viewer.scene.camera.center), workspace.viewer.scene.camera.zoom)
    raw, level = np.asarray(layer.data[0][:, :]), layer.data_level
    stored = slide.read(0, 500, 600, 100, 100)
    box.srgb.setChecked(True)
    qtbot.wait_until(lambda: workspace.shelf.session.colours == "srgb", timeout=10_000)
    qtbot.wait(200)
    srgb = np.asarray(layer.data[0][:, :])
    assert (srgb >= raw).all()
    assert srgb.mean() > raw.mean() + 5
    assert (tuple(workspace.viewer.scene.camera.center), workspace.viewer.scene.camera.zoom) == seen
    assert (layer.gamma, tuple(layer.contrast_limits)) == (0.8, (10, 240))
    assert layer.data_level == level
    assert layer is workspace.shelf.layer
    assert (slide.read(0, 500, 600, 100, 100) == stored).all()
    box.srgb.setChecked(False)
    qtbot.wait_until(lambda: workspace.shelf.session.colours == "raw", timeout=10_000)
    assert (np.asarray(layer.data[0][:, :]) == raw).all()


def test_a_damaged_profile_is_said_and_cannot_be_chosen(make_workspace, tmp_path):
    path = write_tiff(tmp_path / "odd.tiff", picture=tissue_picture(600, 700), icc=b"no profile at all" * 20)
    workspace = make_workspace(MadeUpRunner(), slide=path)
    box = workspace.view.box
    assert box.srgb.isVisibleTo(workspace)
    assert not box.srgb.isEnabled()
    assert "damaged" in box.srgb_line.text()


def test_colours_are_kept_a_slide(make_workspace, qtbot, coloured_slide, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=coloured_slide)
    workspace.view.box.srgb.setChecked(True)
    qtbot.wait_until(lambda: workspace.shelf.session.colours == "srgb", timeout=10_000)
    open_and_wait(workspace, qtbot, small_slide)
    assert not workspace.view.box.srgb.isVisibleTo(workspace)
    workspace.shelf.choose(0)
    assert workspace.view.box.srgb.isChecked()
