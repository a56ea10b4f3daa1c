"""Tissue in pictures: simple ones, and phantoms made hard."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.altered_phantoms import ALTERATIONS, Specimen, draw_phantom
from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides import segmentation
from napari_mmlnb.slides.segmentation import segment_tissue
from tests.slides.made import tissue_picture

UM = 8.0
BOUND = 0.95
BOUND_FOR_ALL_AT_ONCE = 0.85


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
GLASS = {
    "white": (250, 250, 250),
    "grey": (225, 226, 224),
    "dark grey": (170, 171, 170),
    "yellowish": (240, 238, 225),
    "yellow": (242, 236, 202),
}


@pytest.mark.parametrize("stain", STAINS)
@pytest.mark.parametrize("background", GLASS)
def test_tissue_is_found_on_any_glass(stain, background):
    where = disc((300, 400), 150, 180, 90)
    scale = np.asarray(GLASS[background]) / 243
    picture = painted(glass(colour=GLASS[background]), where, np.asarray(STAINS[stain]) * scale, noise=3)
    assert dice(segment_tissue(picture, UM), where) > 0.95


@pytest.mark.parametrize("background", GLASS)
@pytest.mark.parametrize("noise", [0.0, 1.0, 4.0])
def test_a_blank_slide_has_no_tissue(background, noise):
    noise *= GLASS[background][0] / 250  # as that of a sensor, less where there is less light
    assert not segment_tissue(glass(colour=GLASS[background], noise=noise).astype(np.uint8), UM).any()


@pytest.mark.parametrize("falls", [(1, 1, 1), (0.8, 1, 1.4)])
def test_uneven_light_is_no_tissue(falls):
    fall = 1 - 0.07 * np.linspace(0, 1, 400)[None, :, None] * np.asarray(falls)
    # An overview is a mean over hundreds of pixels: little of their noise is left.
    assert not segment_tissue((glass(noise=0.5) * fall).astype(np.uint8), UM).any()


def test_a_slide_full_of_tissue():
    picture = tissue_picture(300, 300)[110:190, 110:190]
    assert segment_tissue(picture, UM).mean() > 0.97


@pytest.mark.parametrize("ink", [(30, 60, 190), (20, 130, 70), (15, 15, 18), (60, 160, 110), (205, 35, 45)])
def test_pen_is_no_tissue_and_takes_none_away(ink):
    where = disc((300, 400), 150, 120, 80)
    picture = painted(glass(), where, STAINS["haematoxylin"])
    cv2.line(picture, (330, 10), (350, 290), ink, 14)
    mask = segment_tissue(picture, UM)
    assert mask[:, 300:].sum() == 0
    assert dice(mask, where) > 0.95


def test_a_black_border_and_grey_shadows_are_no_tissue():
    where = disc((300, 400), 150, 200, 80)
    picture = painted(glass(), where, STAINS["eosin"])
    picture[:20] = np.random.default_rng(0).integers(0, 8, (20, 400, 3))
    picture[:, 380:384] = 150
    mask = segment_tissue(picture, UM)
    assert not mask[:25].any()
    assert not mask[:, 375:].any()
    assert dice(mask, where) > 0.95


def test_specks_go_and_small_holes_close_but_large_ones_stay():
    where = disc((300, 400), 150, 200, 100)
    hole = disc((300, 400), 150, 170, 30)
    pore = disc((300, 400), 150, 260, 4)
    picture = painted(glass(), where & ~hole & ~pore, STAINS["eosin"])
    picture = painted(picture.astype(float), disc((300, 400), 20, 20, 4), STAINS["eosin"])
    mask = segment_tissue(picture, UM)
    assert not mask[:40, :40].any()
    assert mask[pore].all()
    assert not mask[disc((300, 400), 150, 170, 24)].any()


def test_a_cleft_in_dense_tissue_stays_open():
    where = disc((300, 400), 150, 200, 100)
    cleft = np.zeros_like(where)
    cleft[148:153, 150:250] = True
    mask = segment_tissue(painted(glass(), where & ~cleft, STAINS["eosin"]), UM)
    assert mask[cleft].mean() < 0.25


def test_lint_is_no_tissue():
    picture = glass().astype(np.uint8)
    cv2.polylines(picture, [np.array([(20, 20), (150, 60), (260, 40), (380, 200)])], False, (190, 80, 140), 2)
    assert not segment_tissue(picture, UM).any()


def test_tissue_that_is_too_dark_and_grey_to_show_its_stain_is_tissue_inside_of_tissue():
    where, dark = disc((300, 400), 150, 200, 100), disc((300, 400), 150, 200, 40)
    picture = painted(painted(glass(), where, STAINS["eosin"]).astype(float), dark, (70, 68, 72), noise=4)
    assert dice(segment_tissue(picture, UM), where) > 0.97


def test_what_is_not_known_is_not_judged():
    known = np.ones((300, 400), bool)
    known[:100, :100] = False
    picture = painted(glass(), ~known, STAINS["eosin"])
    assert not segment_tissue(picture, UM, known).any()


def test_strips_leave_no_seam(monkeypatch):
    picture = np.ascontiguousarray(np.tile(tissue_picture(150, 200, seed=3), (4, 2, 1)))
    picture[300:340] = 5
    whole = segment_tissue(picture, UM)
    monkeypatch.setattr(segmentation, "_STRIP_PX", 1)
    assert (segment_tissue(picture, UM) == whole).all()


def test_a_picture_turned_around_has_its_tissue_turned_around():
    """Where the picture begins plays no part, but for the last odd pixel of what is looked at by twos."""
    picture = np.tile(tissue_picture(160, 208, seed=3), (2, 2, 1))
    turned = segment_tissue(np.ascontiguousarray(picture[::-1, ::-1]), UM)[::-1, ::-1]
    assert dice(turned, segment_tissue(picture, UM)) > 0.999


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 2), (17, 1), (0, 5)])
@pytest.mark.parametrize("um_per_px", [0.5, 8.0, 64.0])
def test_tiny_pictures(shape, um_per_px):
    assert not segment_tissue(np.full((*shape, 3), 240, np.uint8), um_per_px).any()
    assert segment_tissue(np.full((*shape, 3), 240, np.uint8), um_per_px).shape == shape


# Phantoms made hard ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def phantom() -> Specimen:
    """A phantom of two millimetres with fat, stroma, neuropil and blue tumour, and no pen of its own."""
    return draw_phantom("ud", 910006, size=1024, mpp=2.0)


@pytest.mark.parametrize("name", [name for name in ALTERATIONS if name != "no tissue"])
def test_tissue_of_a_phantom_made_hard(phantom, name):
    specimen = ALTERATIONS[name](phantom, np.random.default_rng(1))
    grid = PixelGrid((256, 256), (UM, UM))
    overview = cv2.resize(specimen.rgb, (256, 256), interpolation=cv2.INTER_AREA)
    bound = BOUND_FOR_ALL_AT_ONCE if name == "all at once" else BOUND
    assert dice(segment_tissue(overview, UM), specimen.truth(grid)) > bound


def test_a_phantom_without_tissue_has_none_for_all_its_dirt(phantom):
    specimen = ALTERATIONS["no tissue"](phantom, np.random.default_rng(1))
    overview = cv2.resize(specimen.rgb, (256, 256), interpolation=cv2.INTER_AREA)
    assert not segment_tissue(overview, UM).any()
