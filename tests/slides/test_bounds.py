"""A scan that fills a part of its canvas only: micrometres from the canvas's corner inside, from the scan's outside.

MRXS is the format where this matters most. A tiny MRXS cannot be made here (its index is a binary format of its own
that nothing writes), so its place is taken by SCN, whose bounds OpenSlide reports in the same properties, and by a
reader in memory.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_mmlnb.geometry import Mpp, PixelGrid, Region, scanned_grid
from napari_mmlnb.inference.record import slide_record
from napari_mmlnb.report.geojson import geojson_text
from napari_mmlnb.report.overlay import draw_attention, draw_slide, enlarged
from napari_mmlnb.slides.backends.openslide import _bounds
from napari_mmlnb.slides.roi import read_roi
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tile_grid import TileGrid, build_tile_grid
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.slides.tissue import find_tissue
from tests.report.factories import make_result
from tests.slides.dots import dot_picture, found_um
from tests.slides.made import MadeReader, area_level, made_slide, tissue_picture
from tests.slides.made_scn import write_scn

CANVAS = (1200, 1600)
CORNER = (320, 500)
SCAN = (600, 800)
DOT = (CORNER[0] + 211.3, CORNER[1] + 500.6)
"""Where the dot lies on the canvas, level-0 pixel edges."""

TINTED_GLASS = (240, 238, 225)


def in_memory(scan, mpp, **options):
    """A slide over a reader in memory whose canvas is white around the scan."""
    canvas = np.full((*CANVAS, 3), 255, np.uint8)
    canvas[CORNER[0] : CORNER[0] + SCAN[0], CORNER[1] : CORNER[1] + SCAN[1]] = scan
    reader = MadeReader([canvas, area_level(canvas, 300, 400)], [(64, 64)], **options)
    reader.metadata = replace(reader.metadata, bounds_px=(*CORNER, *SCAN))
    return made_slide(reader, mpp)


@pytest.fixture(params=["in memory", "scn"])
def slide(request, tmp_path):
    """A slide with a dot at `DOT`; its pixels are not square where the format allows it."""
    scan = dot_picture(*SCAN, (DOT[0] - CORNER[0], DOT[1] - CORNER[1]))
    if request.param == "scn":
        path = write_scn(tmp_path / "slide.scn", scan, canvas_px=CANVAS, corner_px=CORNER)
        opened = open_slide(path)
    else:
        opened = in_memory(scan, (0.25, 0.31))
    opened.__dict__["fingerprint"] = "sha256:" + "0" * 64
    with opened:
        yield opened


def dot_um(slide):
    return np.array(DOT) * slide.mpp.yx


def close(slide, found):
    """Within half a level-0 pixel of the dot."""
    return (np.abs(np.asarray(found) - dot_um(slide)) < np.array(slide.mpp.yx) / 2).all()


def result_of(slide, region: Region):
    """A run on the slide with one evidence tile."""
    result = make_result()
    evidence = (result.evidence[0].model_copy(update={"region_um": region.yxhw}),)
    return result.model_copy(update={"slide": slide_record(slide), "evidence": evidence}).with_maps(None)


# Where things lie -----------------------------------------------------------------------------------------------------


def test_level_0_is_the_whole_canvas_and_bounds_say_where_the_scan_is(slide):
    assert slide.grids[0].shape == CANVAS
    assert slide.grids[0].origin_um == (0.0, 0.0)
    y, x = slide.mpp.yx
    assert slide.bounds.yxhw == pytest.approx((CORNER[0] * y, CORNER[1] * x, SCAN[0] * y, SCAN[1] * x))
    assert slide.scanned_grid.shape == SCAN


def test_the_dot_in_every_level_of_the_pyramid(slide):
    for array, grid in zip(slide.pyramid, slide.pyramid_grids, strict=True):
        assert close(slide, found_um(array[:], grid)), grid


def test_the_dot_in_the_thumbnail_and_in_regions(slide):
    rgb, grid = slide.thumbnail(500)
    assert close(slide, found_um(rgb, grid))
    region = Region(dot_um(slide)[0] - 20, dot_um(slide)[1] - 20, 40, 40)
    out = slide.read_region(region, 0.4)
    assert close(slide, found_um(out, PixelGrid(out.shape[:2], (0.4, 0.4), (region.y, region.x))))


@pytest.mark.parametrize("um_per_px", [0.4, 0.5, 1.0])
def test_the_dot_in_tiles(slide, um_per_px):
    side = 64 * um_per_px
    row, column = (int(v // side) for v in dot_um(slide))
    cells = np.array([(r, c) for r in range(row - 1, row + 2) for c in range(column - 1, column + 2)], np.int32)
    with TileReader(slide, TileGrid(PixelGrid((999, 999), (side, side)), cells, 64, um_per_px)) as reader:
        pixels = np.concatenate([batch.pixels for batch in reader])
    whole = pixels.reshape(3, 3, 64, 64, 3).transpose(0, 2, 1, 3, 4).reshape(192, 192, 3)
    grid = PixelGrid((192, 192), (um_per_px, um_per_px), ((row - 1) * side, (column - 1) * side))
    assert close(slide, found_um(whole, grid))


def test_the_dot_in_the_overlay(slide):
    """A tile that lies symmetrically around the dot is coloured symmetrically around it."""
    side = 24 * slide.mpp.x
    grid = PixelGrid((1, 1), (side, side), tuple(dot_um(slide) - side / 2))
    rgb, thumbnail_grid = slide.thumbnail(4000)
    hot = np.full((1, 1), 4.0, np.float32)
    maps = replace(
        make_result().maps, grid=grid, attention=hot, state=np.ones((1, 1), np.uint8), thumbnail=rgb,
        thumbnail_grid=thumbnail_grid, tissue=np.zeros((2, 2), bool), tissue_grid=PixelGrid((2, 2), (100.0, 100.0)),
    )  # fmt: skip
    changed = (draw_attention(maps) != draw_slide(maps)).any(axis=-1)
    rows, columns = np.nonzero(changed)
    centre = ((rows.min() + rows.max() + 1) / 2, (columns.min() + columns.max() + 1) / 2)
    assert (np.abs(enlarged(maps)[1].to_um(centre) - dot_um(slide)) <= np.array(slide.mpp.yx) / 2 + 1e-9).all()


# What leaves and what comes in ----------------------------------------------------------------------------------------


def test_geojson_counts_from_the_corner_of_the_scan_as_qupath_does(slide):
    side = 20.0
    region = Region(*(dot_um(slide) - side / 2), side, side)
    collection = json.loads(geojson_text(result_of(slide, region)))
    (ring,) = collection["features"][0]["geometry"]["coordinates"]
    x, y = np.array(ring[:-1]).mean(axis=0)
    assert (x, y) == pytest.approx((DOT[1] - CORNER[1], DOT[0] - CORNER[0]), abs=1e-3)
    assert collection["run"]["origin_px"] == [CORNER[1], CORNER[0]]
    assert collection["run"]["bounds_px"] == [*CORNER, *SCAN]


@pytest.mark.parametrize("says_its_origin", [True, False])
def test_and_back_again_through_roi(slide, tmp_path, says_its_origin):
    side = 20.0
    region = Region(*(dot_um(slide) - side / 2), side, side)
    collection = json.loads(geojson_text(result_of(slide, region)))
    if not says_its_origin:  # as QuPath writes the same objects
        del collection["run"]
    path = tmp_path / "roi.geojson"
    path.write_text(json.dumps(collection))
    (polygon,) = read_roi(path, slide.scanned_grid).polygons
    assert np.abs(polygon.rings[0][:-1] - region.corners).max() < 1e-3
    mask = read_roi(path, slide.scanned_grid).rasterise(slide.grids[0])
    rows, columns = np.nonzero(mask)
    centre = ((rows.min() + rows.max() + 1) / 2, (columns.min() + columns.max() + 1) / 2)
    assert (np.abs(np.array(centre) - DOT) <= 0.5).all()


def test_the_record_says_what_was_scanned(slide):
    record = slide_record(slide)
    assert record.bounds_px == (*CORNER, *SCAN)
    assert record.size_px == (CANVAS[1], CANVAS[0])
    assert record.scanned_grid == slide.scanned_grid


# What was not scanned -------------------------------------------------------------------------------------------------


def test_outside_is_white_and_a_tile_across_the_edge_is_white_there(slide):
    (y, x), (height, width) = CORNER, SCAN
    out = slide.read(0, y - 10, x - 10, height + 20, width + 20)
    ring = np.ones(out.shape[:2], bool)
    ring[10:-10, 10:-10] = False
    assert (out[ring] == 255).all()
    assert (slide.read(0, 0, 0, 100, 1600) == 255).all()


def outside(tissue, slide):
    """What a mask says of the pixels that do not touch the scan."""
    untouched = np.ones(tissue.mask.shape, bool)
    untouched[tissue.grid.window(slide.bounds)] = False
    return tissue.mask & untouched


@pytest.mark.parametrize("glass", [TINTED_GLASS, (243, 243, 243), (225, 226, 224)])
@pytest.mark.parametrize("kind", ["in memory", "scn"])
def test_neither_the_margin_nor_the_glass_is_tissue(tmp_path, kind, glass):
    """The margin is whiter than any glass: taken for it, it would make tinted glass look stained."""
    scan = (tissue_picture(*SCAN).astype(float) * np.array(glass) / 243).clip(0, 255).astype(np.uint8)
    if kind == "scn":
        path = write_scn(tmp_path / "s.scn", scan, canvas_px=CANVAS, corner_px=CORNER)
        slide = open_slide(path)
    else:
        slide = in_memory(scan, (0.5, 0.5))
    with slide:
        tissue = find_tissue(slide, 4.0)
        tiles = build_tile_grid(tissue, 64, 0.5)
    assert not outside(tissue, slide).any()
    with made_slide(MadeReader([scan], [(64, 64)]), (0.5, 0.5)) as alone:
        assert tissue.area_mm2 == pytest.approx(find_tissue(alone, 4.0).area_mm2, rel=0.02)
    assert tissue.area_mm2 == pytest.approx(np.pi * (0.3 * min(SCAN) * 0.5e-3) ** 2, rel=0.15)
    centre = ((CORNER[0] + SCAN[0] / 2) * 0.5, (CORNER[1] + SCAN[1] / 2) * 0.5)
    for index in range(len(tiles)):
        assert np.hypot(*(np.array(tiles.region(index).centre) - centre)) < 0.3 * min(SCAN) * 0.5 + 32


def test_tissue_that_reaches_the_edge_of_the_scan_ends_there():
    slide = in_memory(np.full((*SCAN, 3), (200, 120, 170), np.uint8), (0.5, 0.5))
    with slide:
        tissue = find_tissue(slide, 2.0)
    assert tissue.area_mm2 == pytest.approx(SCAN[0] * SCAN[1] * 0.25e-6, rel=0.02)
    assert not outside(tissue, slide).any()


def test_damage_outside_the_scan_is_no_tissue_and_inside_it_is():
    """What cannot be decoded counts as tissue, so that it is noticed; but not where nothing was scanned."""
    outside, inside = (0, 1, 1), (0, 8, 14)
    slide = in_memory(tissue_picture(*SCAN), (0.5, 0.5), damaged=[outside, inside])
    with slide:
        tissue = find_tissue(slide, 1.0)
    marked = [tissue.mask[r * 32 + 2 : r * 32 + 30, c * 32 + 2 : c * 32 + 30] for _, r, c in (outside, inside)]
    assert not marked[0].any()
    assert marked[1].all()


# The parts ------------------------------------------------------------------------------------------------------------


def test_without_bounds_all_of_it_was_scanned(make_tiff):
    with open_slide(make_tiff()) as slide:
        assert slide.bounds is None
        assert slide.scanned_grid == slide.grids[0]


def test_the_scanned_grid_is_a_part_of_level_0():
    mpp = Mpp(x=0.25, y=0.5)
    assert scanned_grid((10, 20), mpp, None) == PixelGrid((10, 20), (0.5, 0.25))
    assert scanned_grid((10, 20), mpp, (3, 8, 5, 6)) == PixelGrid((5, 6), (0.5, 0.25), (1.5, 2.0))


def properties(*bounds):
    names = ("y", "x", "height", "width")
    return {f"openslide.bounds-{name}": str(value) for name, value in zip(names, bounds, strict=True)}


@pytest.mark.parametrize(
    ("stated", "used"),
    [
        ((10, 20, 300, 400), (10, 20, 300, 400)),
        ((0, 0, 1000, 2000), (0, 0, 1000, 2000)),
        ((900, 20, 300, 3000), (900, 20, 100, 1980)),
        ((-1, 20, 300, 400), None),
        ((1000, 20, 300, 400), None),
        ((10, 20, 0, 400), None),
        ((10, 20, 300, "many"), None),
    ],
)
def test_bounds_that_cannot_be_are_not_believed(stated, used):
    assert _bounds(properties(*stated), 1000, 2000) == used


def test_a_file_without_bounds():
    assert _bounds({}, 1000, 2000) is None
