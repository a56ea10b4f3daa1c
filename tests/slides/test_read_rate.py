from __future__ import annotations

import numpy as np
import pytest

from napari_mmlnb.errors import RequestError
from napari_mmlnb.slides.read_rate import measure_read, tissue_tiles
from napari_mmlnb.slides.slide import open_slide
from tests.slides.made import tissue_picture


def test_all_ways_read_the_same_tiles(make_tiff):
    path = make_tiff(picture=tissue_picture(1400, 1500), compression="jpeg", mpp=(0.25, 0.25), tile=128)
    with open_slide(path) as slide:
        tiles = tissue_tiles(slide, 64, 0.5, limit=30)
        figures = measure_read(slide, tiles, rounds=1)
    assert figures.tiles == len(tiles) > 5
    assert figures.pixels_different == 0
    assert figures.tiles_per_s > 0
    assert figures.openslide_tiles_per_s is not None
    assert figures.share_of_decode_bound is not None
    assert figures.in_decoder_ratio_to_openslide is not None
    assert figures.stored_tiles >= len(tiles) / 4


def test_what_a_format_does_not_allow_is_left_out(make_tiff):
    path = make_tiff(picture=tissue_picture(700, 700), ome=True)
    with open_slide(path) as slide:
        figures = measure_read(slide, tissue_tiles(slide, 64, 0.5, limit=10), rounds=1)
    assert figures.in_decoder_tiles_per_s is None
    assert figures.bound_tiles_per_s is not None


def test_a_shifted_grid_lies_across_the_stored_tiles(make_tiff):
    path = make_tiff(picture=tissue_picture(700, 700), mpp=(0.5, 0.5))
    with open_slide(path) as slide:
        assert tissue_tiles(slide, 64, 0.5, 10).region(0).x % (64 * 0.5) == pytest.approx(5.0)


def test_a_blank_slide_is_refused(make_tiff):
    path = make_tiff(picture=np.full((600, 600, 3), 243, np.uint8))
    with open_slide(path) as slide, pytest.raises(RequestError, match="no tissue"):
        tissue_tiles(slide, 64, 0.5)
