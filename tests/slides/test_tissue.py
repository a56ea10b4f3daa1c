from __future__ import annotations

import cv2
import numpy as np
import pytest

from napari_mmlnb.geometry import Mpp, PixelGrid
from napari_mmlnb.slides.roi import Polygon, Roi
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tissue import TissueMask, find_tissue, glass_colour, tissue_in
from tests.slides.made import tissue_picture

UM = 8.0


def glass(height: int = 300, width: int = 400, colour=(243, 243, 243), noise: float = 2.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    return np.clip(np.asarray(colour) + rng.normal(0, noise, (height, width, 3)), 0, 255)


def disc(shape, y: int, x: int, radius: int):
    rows, columns = np.indices(shape)
    return np.hypot(rows - y, columns - x) < radius


def painted(picture, where, colour, noise: float = 8.0):
    out = picture.copy()
    out[where] = np.clip(np.random.default_rng(1).normal(colour, noise, (int(where.sum()), 3)), 0, 255)
    return out.astype(np.uint8)


def dice(a, b) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


STAINS = {"eosin": (226, 150, 190), "haematoxylin": (110, 80, 160), "pale": (236, 222, 232), "blood": (200, 90, 90)}
GLASS = {"white": (250, 250, 250), "grey": (225, 226, 224), "yellowish": (240, 238, 225)}


@pytest.mark.parametrize("stain", STAINS)
@pytest.mark.parametrize("background", GLASS)
def test_tissue_is_found_on_any_glass(stain, background):
    where = disc((300, 400), 150, 180, 90)
    scale = np.asarray(GLASS[background]) / 243
    picture = painted(glass(colour=GLASS[background]), where, np.asarray(STAINS[stain]) * scale, noise=3)
    assert dice(tissue_in(picture, UM), where) > 0.95


@pytest.mark.parametrize("background", GLASS)
@pytest.mark.parametrize("noise", [0.0, 1.0, 4.0])
def test_a_blank_slide_has_no_tissue(background, noise):
    assert not tissue_in(glass(colour=GLASS[background], noise=noise).astype(np.uint8), UM).any()


def test_uneven_light_is_no_tissue():
    fall = np.linspace(1, 0.93, 400)[None, :, None]
    assert not tissue_in((glass() * fall).astype(np.uint8), UM).any()


def test_a_slide_full_of_tissue():
    picture = tissue_picture(300, 300)[110:190, 110:190]
    assert tissue_in(picture, UM).mean() > 0.97


@pytest.mark.parametrize("ink", [(30, 60, 190), (20, 130, 70), (15, 15, 18), (60, 160, 110)])
def test_pen_is_no_tissue_and_takes_none_away(ink):
    where = disc((300, 400), 150, 120, 80)
    picture = painted(glass(), where, STAINS["haematoxylin"])
    cv2.line(picture, (330, 10), (350, 290), ink, 14)
    mask = tissue_in(picture, UM)
    assert mask[:, 300:].sum() == 0
    assert dice(mask, where) > 0.95


def test_a_black_border_and_grey_shadows_are_no_tissue():
    where = disc((300, 400), 150, 200, 80)
    picture = painted(glass(), where, STAINS["eosin"])
    picture[:20] = np.random.default_rng(0).integers(0, 8, (20, 400, 3))
    picture[:, 380:384] = 150
    mask = tissue_in(picture, UM)
    assert not mask[:25].any()
    assert not mask[:, 375:].any()
    assert dice(mask, where) > 0.95


def test_specks_go_and_small_holes_close_but_large_ones_stay():
    where = disc((300, 400), 150, 200, 100)
    hole = disc((300, 400), 150, 170, 30)
    pore = disc((300, 400), 150, 260, 4)
    picture = painted(glass(), where & ~hole & ~pore, STAINS["eosin"])
    picture = painted(picture.astype(float), disc((300, 400), 20, 20, 4), STAINS["eosin"])
    mask = tissue_in(picture, UM)
    assert not mask[:40, :40].any()
    assert mask[pore].all()
    assert not mask[disc((300, 400), 150, 170, 24)].any()


def test_what_is_not_readable_is_not_judged():
    readable = np.ones((300, 400), bool)
    readable[:100, :100] = False
    picture = painted(glass(), ~readable, STAINS["eosin"])
    assert not tissue_in(picture, UM, readable).any()


def test_area_and_share_of_a_slide(small_slide):
    with open_slide(small_slide) as slide:
        tissue = find_tissue(slide)
    radius_mm = 0.3 * 1200 * 0.5e-3
    assert tissue.area_mm2 == pytest.approx(np.pi * radius_mm**2, rel=0.08)
    assert tissue.fraction == pytest.approx(np.pi * 360**2 / (1200 * 1500), rel=0.08)
    assert tissue.grid.origin_um == (0.0, 0.0)
    assert tissue.grid.region.height >= 600


def test_the_area_does_not_depend_on_the_scale_looked_at(small_slide):
    with open_slide(small_slide) as slide:
        areas = [find_tissue(slide, um).area_mm2 for um in (2.0, 4.0, 8.0)]
    assert max(areas) / min(areas) < 1.1


def test_only_what_lies_in_the_region(small_slide):
    left = Roi((Polygon((np.array([(0, 0), (0, 375), (600, 375), (600, 0)], dtype=float),)),))
    with open_slide(small_slide) as slide:
        whole, half = find_tissue(slide), find_tissue(slide, roi=left)
    assert half.area_mm2 == pytest.approx(whole.area_mm2 / 2, rel=0.05)
    assert (half.mask == whole.restrict(left).mask).all()
    assert not half.mask[:, 48:].any()


def test_the_colour_of_glass():
    picture = painted(glass(colour=(240, 238, 225), noise=1), disc((300, 400), 150, 200, 120), STAINS["eosin"])
    assert glass_colour(picture) == pytest.approx((240, 238, 225), abs=1)


def test_an_empty_mask_has_no_area():
    tissue = TissueMask(np.zeros((5, 5), bool), PixelGrid((5, 5), Mpp(8, 8).yx))
    assert tissue.area_mm2 == 0
    assert tissue.fraction == 0
