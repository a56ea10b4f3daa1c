from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_mmlnb.phantom.cells import CellStyle, cell_stamps, neuroblast
from napari_mmlnb.phantom.optics import HAEMATOXYLIN
from napari_mmlnb.phantom.outline import Outline, Plot
from napari_mmlnb.phantom.stamps import Stamp, StampSet

STYLE = CellStyle(nucleus_um=3.8, chromatin=0.9, speckle=1.0, cytoplasm=1.0, amphophilia=0.2, large_nuclei=0.0)


def test_a_stamp_covers_what_lies_under_it_and_is_cut_at_the_edge():
    stamp = Stamp.of(np.full((3, 3), 0.75, np.float32), {HAEMATOXYLIN: np.ones((3, 3), np.float32)})
    canvas = np.full((4, 5, 5), 0.4, np.float32)
    stamp.set_down(canvas, 0, 4, strength=2.0)
    assert canvas[0, :2, 3:] == pytest.approx(0.25 * 0.4 + 2.0)
    assert canvas[1, :2, 3:] == pytest.approx(0.1)
    untouched = np.ones((5, 5), bool)
    untouched[:2, 3:] = False
    assert (canvas[:, untouched] == np.float32(0.4)).all()
    assert (canvas[2:] == np.float32(0.4)).all()


def test_the_eight_turns_differ_and_keep_the_sum():
    add = np.arange(9, dtype=np.float32).reshape(3, 3)
    stamp = Stamp.of(np.zeros((3, 3), np.float32), {HAEMATOXYLIN: add})
    turned = [stamp.turned(code).add[0] for code in range(8)]
    assert len({t.tobytes() for t in turned}) == 8
    assert all(t.sum() == add.sum() for t in turned)


def test_directed_stamps_keep_their_direction():
    stamps = StampSet(tuple(Stamp.of(np.zeros((1, 1), np.float32), {}) for _ in range(8)), directions=4)
    angles = np.array([0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4, np.pi, -np.pi / 4])
    chosen, turns = stamps.choose(np.random.default_rng(0), angles, np.zeros(6))
    assert (chosen // 2).tolist() == [0, 1, 2, 3, 0, 3]
    assert set(turns.tolist()) <= {0, 3}


@pytest.mark.parametrize("mpp", [0.25, 0.5, 1.0])
def test_an_outline_has_its_size_at_every_scale(mpp):
    plot = Plot.of(12.0, mpp)
    area = plot.fill(Outline(6.0, 1.3, 0.4)).sum() * mpp**2
    assert area == pytest.approx(np.pi * 36.0, rel=0.04)


def test_differentiating_cells_are_more_than_twice_as_wide_as_their_nucleus():
    stamps = cell_stamps(np.random.default_rng(5), STYLE, 0.25)
    bodies = [(s.keep[0] < 0.5).sum() for s in stamps["differentiating"].stamps]
    small = [(s.keep[0] < 0.5).sum() for s in stamps["neuroblast"].stamps]
    # Nuclei of differentiating cells are at most 5.0 um in radius.
    assert min(2 * np.sqrt(n / np.pi) * 0.25 for n in bodies) > 2 * 2 * 3.9 * 0.95
    assert np.median(bodies) > 4 * np.median(small)


def test_no_two_variants_are_the_same():
    stamps = cell_stamps(np.random.default_rng(6), STYLE, 0.5)
    for kind, group in stamps.items():
        assert len({s.add.tobytes() for s in group.stamps}) == len(group.stamps), kind


def test_undifferentiated_nuclei_are_larger_and_paler():
    def area_and_density(large_nuclei):
        style = replace(STYLE, large_nuclei=large_nuclei)
        stamps = [neuroblast(np.random.default_rng(i), style, 0.25, 0.0) for i in range(20)]
        haematoxylin = [s.add[HAEMATOXYLIN - s.planes.start] for s in stamps]
        inside = [h > 0.2 for h in haematoxylin]
        mean = np.mean([h[i].mean() for h, i in zip(haematoxylin, inside, strict=True)])
        return np.mean([i.sum() for i in inside]), mean

    (small, dark), (large, pale) = area_and_density(0.0), area_and_density(1.0)
    assert large > 1.3 * small
    assert pale < dark
