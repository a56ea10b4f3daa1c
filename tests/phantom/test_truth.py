from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.phantom.annotation import annotate_tiles, outlines
from napari_mmlnb.phantom.layout import SPACING_UM, Layout, lay_out
from napari_mmlnb.phantom.population import DRAWING_ORDER, Population, populate
from napari_mmlnb.phantom.recipe import DECISIVE, LABEL, draw_recipe
from napari_mmlnb.phantom.truth import DIFFERENTIATING, NEUROBLASTIC, TILE_UM


def _area(polygon):
    y, x = np.asarray(polygon).T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


def test_an_undifferentiated_tumour_has_no_neuropil(truths):
    truth = truths["ud"]
    assert not {"neuropil", "differentiating"} & {region.kind for region in truth.regions}
    assert truth.tile_map("neuropil").max() == 0
    assert truth.tile_map("rosettes").max() == 0
    assert truth.differentiating_share == 0
    assert {region.kind for region in truth.regions if region.discriminative} == {"solid"}


def test_a_poorly_differentiated_tumour_has_neuropil_and_few_differentiating_cells(truths):
    truth = truths["pd"]
    assert truth.tile_map("neuropil").max() > 0.3
    assert 0 <= truth.differentiating_share < 0.05
    assert {region.kind for region in truth.regions if region.discriminative} == {"neuropil"}


def test_a_differentiating_tumour_reaches_five_per_cent(truths):
    truth = truths["d"]
    assert truth.differentiating_share >= 0.05
    assert truth.tile_map("neuropil").max() > 0.3
    assert {region.kind for region in truth.regions if region.discriminative} == {"differentiating"}
    inside = truth.tile_map("discriminative") > 0.9
    cells = truth.tile_map("neuroblastic_cells")
    zone = (truth.tile_map("differentiating") * cells)[inside].sum() / cells[inside].sum()
    assert 0.08 <= zone <= 0.45


@pytest.mark.parametrize("subtype", ["ud", "pd", "d"])
def test_every_subtype_keeps_to_its_definition_over_many_seeds(subtype):
    shares = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        recipe = draw_recipe(rng, subtype)
        layout = lay_out(rng, recipe, (1024.0, 1400.0))
        counts = populate(rng, recipe, layout).counts()
        mature = sum(counts[kind] for kind in DIFFERENTIATING)
        share = mature / sum(counts[kind] for kind in NEUROBLASTIC)
        low, high = {"ud": (0, 0), "pd": (0, 0.0499), "d": (0.05, 0.5)}[subtype]
        assert low <= share <= high
        shares.append(layout.mask(DECISIVE[subtype]).sum() / layout.tissue.sum())
        assert set(np.unique(layout.labels)) - {0, LABEL[DECISIVE[subtype]]}, "nothing to choose from"
    assert min(shares) > 0.05
    assert max(shares) < 0.65
    assert max(shares) - min(shares) > 0.05


@pytest.mark.parametrize("subtype", ["ud", "pd", "d"])
def test_polygons_lie_on_the_slide_and_are_as_large_as_the_tissue(truths, subtype):
    truth = truths[subtype]
    height, width = truth.size_px[1] * truth.mpp, truth.size_px[0] * truth.mpp
    for region in truth.regions:
        points = np.asarray(region.polygon_um)
        assert len(points) >= 3
        assert points.min() >= 0 and (points <= (height, width)).all()
    tissue_um2 = truth.tile_map("tissue").sum() * TILE_UM**2
    assert sum(_area(region.polygon_um) for region in truth.regions) == pytest.approx(tissue_um2, rel=0.06)


@pytest.mark.parametrize("subtype", ["pd", "d", "ud"])
def test_discriminative_polygons_and_tiles_agree(truths, subtype):
    truth = truths[subtype]
    shape = truth.grid_shape
    mask = np.zeros((shape[0] * 28, shape[1] * 28), np.uint8)
    for region in truth.regions:
        if region.discriminative:
            ring = np.rint(np.asarray(region.polygon_um)[:, ::-1] / SPACING_UM - 0.5).astype(np.int32)
            cv2.fillPoly(mask, [ring], 1)
    drawn = mask.reshape(shape[0], 28, shape[1], 28).mean(axis=(1, 3))
    assert np.abs(drawn - truth.tile_map("discriminative")).max() < 0.12
    assert drawn.max() > 0.5


def test_every_tile_of_the_grid_is_listed_once(truths):
    truth = truths["d"]
    assert truth.grid_shape == (10, 10)  # 1024 um in tiles of 112 um
    places = [(tile.row, tile.column) for tile in truth.tile_attributes]
    assert sorted(places) == [(row, column) for row in range(10) for column in range(10)]


def _plain_layout(labels, lakes):
    shape = labels.shape
    size = (shape[0] * SPACING_UM, shape[1] * SPACING_UM)
    grid = PixelGrid(shape, (SPACING_UM, SPACING_UM))
    flat = np.ones(shape, np.float32)
    return Layout(grid, size, labels, 50 * flat, lakes, np.zeros((*shape, 2), np.float32), flat)


def test_tile_attributes_of_a_known_slide():
    labels = np.zeros((56, 84), np.uint8)  # 2 x 3 tiles
    lakes = np.zeros(labels.shape, bool)
    labels[:28, 28:56] = LABEL["neuropil"]  # tile (0, 1)
    lakes[:14, 28:56] = True
    labels[28:35, :28] = LABEL["necrosis"]  # a quarter of tile (1, 0)
    cells = {
        "neuroblast": [(10, 120), (20, 130), (111.9, 223.9)],
        "mitosis": [(40, 150)],
        "ganglion_like": [(50, 160)],
        "rosette": [(60, 170), (70, 200)],
        "lymphocyte": [(10, 10)],
        "calcification": [(168, 280)],  # middle of tile (1, 2)
    }
    position = np.array([p for kind in DRAWING_ORDER for p in cells.get(kind, [])], float)
    kind = np.array([i for i, kind in enumerate(DRAWING_ORDER) for _ in cells.get(kind, [])], np.int8)
    radius = np.where(kind == DRAWING_ORDER.index("calcification"), 20.0, 0.0)
    population = Population(position, kind, np.zeros(len(kind)), radius)
    recipe = draw_recipe(np.random.default_rng(0), "pd")
    tiles = {(t.row, t.column): t for t in annotate_tiles(_plain_layout(labels, lakes), population, recipe)}
    assert set(tiles) == {(row, column) for row in range(2) for column in range(3)}
    tile = tiles[0, 1]
    assert (tile.tissue, tile.neuropil, tile.discriminative) == (1.0, 0.5, 1.0)
    assert tile.neuroblastic_cells == 5
    assert tile.differentiating == pytest.approx(0.2)
    assert tile.mki == pytest.approx(20.0)
    assert tile.rosettes == 2
    assert tiles[1, 0].necrosis == tiles[1, 0].tissue == 0.25
    assert tiles[1, 2].calcification == pytest.approx(np.pi * 20.0**2 / TILE_UM**2, rel=0.25)
    empty = tiles[0, 0]
    assert empty.tissue == empty.mki == empty.neuroblastic_cells == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
def test_outlines_fill_the_mask_they_were_taken_from(seed):
    rng = np.random.default_rng(seed)
    mask = cv2.GaussianBlur(rng.standard_normal((60, 50)).astype(np.float32), (0, 0), 3.0) > 0.03
    filled = np.zeros(mask.shape, np.uint8)
    rings = outlines(mask, (240.0, 200.0), smallest_um2=0.0)
    for ring in rings:
        one = np.zeros((480, 400), np.uint8)  # half a micrometre
        cv2.fillPoly(one, [np.rint(ring[:, ::-1] * 2 - 0.5).astype(np.int32)], 1)
        filled |= one[4::8, 4::8]
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    outer = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    assert (filled >= inner).all()
    assert (filled <= outer).all()
