"""The script of `mmlnb bench view`: what it shows, and that it ends."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("napari")

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.tile_cache import TileCache
from napari_mmlnb.slides.tissue import TissueMask
from napari_mmlnb.viewer.bench_view import EVICTING_VIEWS, until_full
from napari_mmlnb.viewer.camera import MAGNIFICATIONS, UM_PER_PX_AT_1X
from napari_mmlnb.viewer.view_script import CameraStep, ViewScript, fresh_views


@pytest.fixture
def tissue() -> TissueMask:
    mask = np.zeros((100, 200), bool)
    mask[20:80, 120:180] = True
    return TissueMask(mask, PixelGrid(mask.shape, (8.0, 8.0)))


def test_every_magnification_is_looked_at_over_tissue(tissue):
    script = ViewScript.over(tissue, (800, 1000))
    scales = {step.um_per_px for step in script.steps}
    assert all(
        any(scale == pytest.approx(UM_PER_PX_AT_1X / times, rel=0.01) for scale in scales) for times in MAGNIFICATIONS
    )
    first = script.steps[0]
    assert 160 <= first.y <= 640
    assert 960 <= first.x <= 1440


def test_the_same_tissue_gives_the_same_script_in_another_process_too(tissue):
    script = ViewScript.over(tissue, (800, 1000))
    assert ViewScript.over(tissue, (800, 1000)) == script
    assert ViewScript.from_json(script.to_json()) == script


def test_a_slide_without_tissue_is_looked_at_all_the_same():
    blank = TissueMask(np.zeros((10, 10), bool), PixelGrid((10, 10), (8.0, 8.0)))
    assert len(ViewScript.over(blank, (800, 1000)).steps) > 0


def test_views_cover_the_slide_once(slide):
    views = fresh_views(slide, 0.5, (400, 500))
    extent = slide.grids[0].region
    seen = np.zeros((int(extent.height), int(extent.width)), int)
    for view in views:
        seen[max(round(view.y - 100), 0) : round(view.y + 100), max(round(view.x - 125), 0) : round(view.x + 125)] += 1
    assert (seen <= 1).all()
    assert seen.mean() > 0.7, "what is narrower than half a view at the edge may be left out"
    assert len(fresh_views(slide, 100.0, (400, 500))) == 1


VIEWS = tuple(CameraStep(float(y), 0.0, 0.5) for y in range(10))


def test_a_small_slide_that_cannot_fill_the_cache_is_seen_once():
    assert tuple(until_full(VIEWS, TileCache(1000))) == VIEWS


def test_a_full_cache_goes_on_evicting_for_a_while():
    cache = TileCache(1000)
    taken = []
    for view in until_full(VIEWS, cache):
        taken.append(view)
        cache.put(len(taken), np.zeros(330, np.uint8))
    assert len(taken) == 3 + EVICTING_VIEWS
    assert taken[:4] == list(VIEWS[:4])
