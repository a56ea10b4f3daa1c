"""Magnifications and fitting, in a real window: the scale on the screen, and the level that napari then reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("napari")

from napari_mmlnb.geometry import Region
from napari_mmlnb.viewer import camera
from napari_mmlnb.viewer.slide_layer import add_slide, scanned_region
from tests.slides.made import MadeReader, made_slide, noise

MPP = 0.25


@pytest.fixture
def shown(make_napari_viewer, qtbot):
    """A viewer with a slide of 0.25 um, levels 1 and 4, and computed ones between and after."""
    picture = noise(4096, 6144)
    pictures = [picture, picture[::4, ::4].copy()]
    slide = made_slide(MadeReader(pictures, [(256, 256)], reductions=(1, 2, 4)), (MPP, MPP))
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1000, 700)
    qtbot.wait(200)
    yield viewer, add_slide(viewer, slide), slide
    slide.close()


@pytest.mark.parametrize("times", [10.0, 20.0, 40.0])
def test_a_magnification_is_a_scale_and_reads_the_coarsest_level_that_is_fine_enough(shown, qtbot, times):
    viewer, layer, slide = shown
    camera.magnify(viewer, times)
    qtbot.wait(150)
    um = camera.UM_PER_PX_AT_1X / times
    assert camera.um_per_screen_px(viewer) == pytest.approx(um, rel=0.006)
    assert camera.magnification(viewer) == pytest.approx(times, rel=0.006)
    spacing = slide.pyramid_grids[layer.data_level].spacing_um[0]
    assert spacing == pytest.approx(um), "the level of just that scale, not the finer one"


def test_between_two_magnifications_no_pixel_of_the_screen_lacks_one_of_the_slide(shown, qtbot):
    viewer, layer, slide = shown
    for times in np.geomspace(10.2, 39, 7):
        camera.magnify(viewer, times)
        qtbot.wait(100)
        assert slide.pyramid_grids[layer.data_level].spacing_um[0] <= camera.um_per_screen_px(viewer) * 1.001


@pytest.mark.parametrize(
    "region", [Region(0, 0, 100, 900), Region(300, 20, 700, 10), Region(0, 0, 1024, 1536)], ids=["wide", "high", "all"]
)
def test_fitting_shows_all_of_a_region_as_large_as_it_can_be(shown, region):
    viewer, _, _ = shown
    camera.fit(viewer, region)
    height_px, width_px = viewer.canvas.size
    um = camera.um_per_screen_px(viewer)
    assert tuple(viewer.scene.camera.center)[-2:] == pytest.approx(region.centre)
    filled = max(region.height / (height_px * um), region.width / (width_px * um))
    assert 0.9 < filled <= 1.0


def test_going_to_a_tile_shows_its_surroundings(shown):
    viewer, _, _ = shown
    camera.go_to(viewer, Region(100, 200, 50, 25))
    shown_um = min(viewer.canvas.size) * camera.um_per_screen_px(viewer)
    assert tuple(viewer.scene.camera.center)[-2:] == pytest.approx((125.0, 212.5))
    assert 2 * 50 < shown_um < 3 * 50


def test_where_the_scan_covers_less_than_the_canvas_only_the_scan_is_worth_looking_at():
    reader = MadeReader([noise(600, 800)], [(64, 64)])
    with made_slide(reader, (0.5, 0.5)) as slide:
        assert scanned_region(slide) == Region(0, 0, 300, 400)
    reader = MadeReader([noise(600, 800)], [(64, 64)])
    reader.metadata = replace(reader.metadata, bounds_px=(100, 200, 300, 400))
    with made_slide(reader, (0.5, 0.5)) as slide:
        assert scanned_region(slide) == Region(50, 100, 150, 200)
