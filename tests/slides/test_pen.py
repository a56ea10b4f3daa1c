"""Ink of four colours, and what looks like it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from napari_mmlnb.slides.pen import black_mask, ink_mask

GLASS = (243.0, 243.0, 243.0)
UM = 16.0
SHAPE = (120, 160)
NOTHING = np.zeros(SHAPE, bool)
INKS = {"blue": (30, 60, 190), "green": (20, 130, 70), "black": (20, 20, 23), "red": (205, 35, 45)}
BLOOD, PACKED_BLOOD, MUSCLE, BLUE_TISSUE = (200, 90, 90), (196, 62, 66), (190, 60, 110), (95, 75, 155)


def slide(tissue=BLUE_TISSUE):
    """Glass with tissue over the lower half, slightly uneven; and where it is stained."""
    rgb = np.full((*SHAPE, 3), 243.0)
    rgb[60:] = tissue
    rgb += np.random.default_rng(0).normal(0, 3, rgb.shape)
    stained = np.zeros(SHAPE, bool)
    stained[60:] = True
    return rgb.clip(0, 255).astype(np.uint8), stained


def stroke(rgb, stained, ink, start, end, width: int = 14):
    """The same with a stroke over it, through which what lies below is seen (Beer-Lambert); and where it lies."""
    line = cv2.line(np.zeros(SHAPE, np.uint8), start, end, 1, width) > 0
    out = rgb.astype(float)
    out[line] *= np.asarray(ink) / 243
    return out.clip(0, 255).astype(np.uint8), stained | line, line


@pytest.mark.parametrize("ink", INKS)
def test_a_stroke_on_glass(ink):
    rgb, stained, line = stroke(*slide(), INKS[ink], (20, 20), (140, 30))
    found = ink_mask(rgb, GLASS, stained, NOTHING, UM)
    assert found[line].mean() > 0.98
    assert not found[60:].any()
    near = cv2.dilate(line.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert not (found & ~near).any()


@pytest.mark.parametrize("ink", INKS)
def test_a_stroke_that_runs_into_the_tissue(ink):
    rgb, stained, line = stroke(*slide(), INKS[ink], (80, 10), (80, 100))
    found = ink_mask(rgb, GLASS, stained, NOTHING, UM)
    assert found[line].mean() > 0.95
    assert found[60:][~line[60:]].mean() < 0.1


@pytest.mark.parametrize("tissue", [BLOOD, PACKED_BLOOD, MUSCLE, BLUE_TISSUE, (40, 20, 70), (150, 150, 195)])
def test_tissue_is_no_ink(tissue):
    rgb, stained = slide(tissue)
    assert not ink_mask(rgb, GLASS, stained, NOTHING, UM)[62:].any() or tissue == PACKED_BLOOD


def test_blood_inside_of_tissue_is_no_ink():
    rgb, stained = slide((214, 140, 180))
    rgb[80:100, 40:110] = PACKED_BLOOD
    assert not ink_mask(rgb, GLASS, stained, NOTHING, UM).any()


def test_a_line_of_pixels_is_no_pen():
    rgb, stained, _ = stroke(*slide(), INKS["blue"], (5, 30), (150, 30), width=1)
    assert not ink_mask(rgb, GLASS, stained, NOTHING, UM).any()


def test_black_that_was_not_scanned_and_dust():
    rgb, _ = slide()
    rgb[:30] = 4
    rgb[50:54, 50:54] = 10
    black = black_mask(cv2.split(rgb), UM)
    assert (black[:30] == 255).all()
    assert not black[32:].any()
