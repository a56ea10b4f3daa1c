"""Damaged slides: a typed error, or the damage shown where it is; never white in silence."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_mmlnb.errors import SlideReadError, TileReadError
from napari_mmlnb.slides.damage import DamagedTile, DamageLog
from napari_mmlnb.slides.decoded_tiles import damage_pattern
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tile_grid import build_tile_grid
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.slides.tissue import TissueMask, find_tissue
from tests.slides.made import tissue_picture, write_tiff


@pytest.fixture(params=[("tiff", "jpeg"), ("tiff", "deflate"), ("openslide", "jpeg")], ids="-".join)
def damaged(request, tmp_path):
    """A slide whose tile of pixels 256-512, 256-512 is overwritten with zeros; its path and backend."""
    backend, compression = request.param
    path = write_tiff(tmp_path / "hurt.tiff", picture=tissue_picture(1024, 1024), compression=compression)
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        offset, count = page.dataoffsets[5], page.databytecounts[5]
    with path.open("r+b") as file:
        file.seek(offset + count // 3)
        file.write(bytes(count - count // 3))
    return path, backend


def test_only_the_damaged_region_is_lost(damaged):
    path, backend = damaged
    with open_slide(path, backend=backend) as slide:
        for _ in range(3):
            with pytest.raises(TileReadError):
                slide.read(0, 300, 300, 64, 64)
            assert slide.read(0, 600, 600, 64, 64).std() > 0


def test_the_log_lists_each_tile_once_in_order():
    log = DamageLog()
    for tile in ((1, 0, 3), (0, 5, 2), (0, 5, 1), (1, 0, 3), (0, 5, 2)):
        log.add(*tile)
    assert log.tiles == (DamagedTile(0, 5, 1), DamagedTile(0, 5, 2), DamagedTile(1, 0, 3))
    assert len(log) == 3
    assert log.touches(0, range(4, 6), range(2, 9))
    assert not log.touches(0, range(5), range(9))
    assert not log.touches(0, range(4, 6), range(3, 9))
    assert not log.touches(2, range(9), range(9))


def test_the_reader_counts_unreadable_tiles_and_goes_on(damaged):
    path, backend = damaged
    with open_slide(path, backend=backend) as slide:
        everywhere = TissueMask(np.ones((64, 64), bool), find_tissue(slide).grid)
        tiles = build_tile_grid(everywhere, tile_px=128, um_per_px=0.5)
        with TileReader(slide, tiles, batch=5) as reader:
            readable = np.concatenate([batch.readable for batch in reader])
    lost = {tuple(cell) for cell, fine in zip(tiles.cells.tolist(), readable, strict=True) if not fine}
    assert lost == {(2, 2), (2, 3), (3, 2), (3, 3)}


def test_the_thumbnail_shows_the_damage_and_the_tissue_counts_it(damaged):
    path, backend = damaged
    with open_slide(path, backend=backend) as slide:
        rgb, _ = slide.thumbnail(256)
        grey = rgb[70:122, 70:122]
        assert set(np.unique(grey)) == {96, 160}
        assert rgb[10:50, 10:50].min() > 230
        tissue = find_tissue(slide)
    assert tissue.mask[17:31, 17:31].all()


def test_the_pyramid_draws_the_damage_instead_of_painting_black_or_white(damaged):
    path, backend = damaged
    with open_slide(path, backend=backend) as slide:
        shown = slide.pyramid[0][:]
        assert (shown[256:512, 256:512] == damage_pattern(256, 256)).all()
        assert [(tile.level, tile.row, tile.column) for tile in slide.damage.tiles] == [(0, 1, 1)]
        for y, x in ((0, 0), (0, 512), (512, 0), (600, 600)):
            assert (shown[y : y + 256, x : x + 256] == slide.read(0, y, x, 256, 256)).all()
        assert shown[512:, 512:].std() > 0


def test_damage_is_listed_whoever_meets_it(damaged):
    path, backend = damaged
    with open_slide(path, backend=backend) as slide:
        assert len(slide.damage) == 0
        everywhere = TissueMask(np.ones((64, 64), bool), find_tissue(slide).grid)
        with TileReader(slide, build_tile_grid(everywhere, tile_px=128, um_per_px=0.5)) as reader:
            list(reader)
        assert slide.damage.tiles == (DamagedTile(0, 1, 1),)
        slide.pyramid[0][300:310, 300:310]
        assert len(slide.damage) == 1


@pytest.mark.parametrize("keep", [4, 8, 200, 3000])
def test_a_truncated_file_is_refused(tmp_path, keep):
    path = write_tiff(tmp_path / "cut.tiff", picture=tissue_picture(1024, 1024), compression="jpeg")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SlideReadError, match=r"cut\.tiff"):
        open_slide(path)


def test_a_file_cut_in_the_middle_loses_its_later_tiles_only(tmp_path):
    path = write_tiff(tmp_path / "cut.tiff", picture=tissue_picture(1024, 1024), compression="jpeg")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_slide(path) as slide:
        assert slide.read(0, 0, 0, 200, 200).min() > 200
        with pytest.raises(TileReadError):
            slide.read(0, 800, 800, 100, 100)


def test_a_slide_of_which_nothing_can_be_decoded(tmp_path):
    path = write_tiff(tmp_path / "dead.tiff", compression="deflate")
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        spans = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    with path.open("r+b") as file:
        for offset, count in spans:
            file.seek(offset)
            file.write(bytes(count))
    with open_slide(path) as slide:
        with pytest.raises(SlideReadError, match="Nothing"):
            slide.thumbnail()
        with pytest.raises(SlideReadError, match="Nothing"):
            find_tissue(slide)


def test_a_tile_table_that_lies_far_beyond_the_file(tmp_path):
    path = write_tiff(tmp_path / "far.tiff", compression=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tag = tif.pages[0].tags["TileOffsets"]
        tag.overwrite([tag.value[0], *(2**31 for _ in tag.value[1:])])
    with open_slide(path) as slide:
        slide.read(0, 0, 0, 100, 100)
        with pytest.raises(TileReadError):
            slide.read(0, 0, 300, 100, 100)


@pytest.mark.parametrize("backend", ["tiff", "openslide"])
def test_a_file_that_shrinks_while_open(tmp_path, backend):
    path = write_tiff(tmp_path / "shrinks.tiff", picture=tissue_picture(1024, 1024), compression="jpeg")
    with open_slide(path, backend=backend) as slide:
        with path.open("r+b") as file:
            file.truncate(3000)
        with pytest.raises(TileReadError):
            slide.read(0, 512, 512, 200, 200)


@pytest.mark.parametrize("backend", ["tiff", "openslide"])
def test_a_closed_slide_is_no_unreadable_tile(tmp_path, backend):
    slide = open_slide(write_tiff(tmp_path / "closed.tiff"), backend=backend)
    everywhere = TissueMask(np.ones((32, 32), bool), find_tissue(slide).grid)
    tiles = build_tile_grid(everywhere, tile_px=64)
    slide.close()
    with TileReader(slide, tiles) as reader, pytest.raises(SlideReadError, match="closed"):
        list(reader)
