from __future__ import annotations

import pytest
import tifffile

from napari_mmlnb.slides.backends.tiff import TiffReader
from napari_mmlnb.slides.slide import open_slide
from tests.slides.made import tissue_picture
from tests.slides.made_svs import write_svs


@pytest.fixture
def jpeg2000(tmp_path):
    path = tmp_path / "a.svs"
    write_svs(path, tissue_picture(700, 900), codec="33005", downsamples=(4.0,))
    return path


def test_where_the_pixels_agree_our_own_path_is_taken(jpeg2000):
    with open_slide(jpeg2000) as slide, open_slide(jpeg2000, backend="openslide") as peer:
        assert slide.backend == "tiff"
        assert (slide.read(0, -5, -5, 710, 910) == peer.read(0, -5, -5, 710, 910)).all()


def test_one_grey_level_sends_it_to_openslide(jpeg2000, monkeypatch):
    ours = TiffReader.read_tile

    def wrong(self, level, row, column, *rest):
        pixels = ours(self, level, row, column, *rest).copy()
        if (row, column) == (1, 2):
            pixels[100, 100, 1] ^= 1
        return pixels

    monkeypatch.setattr(TiffReader, "read_tile", wrong)
    with open_slide(jpeg2000) as slide:
        assert slide.backend == "openslide"


def test_a_damaged_tile_sends_it_to_openslide(jpeg2000):
    with tifffile.TiffFile(jpeg2000) as tif:
        offset = tif.pages[0].dataoffsets[0]
    data = bytearray(jpeg2000.read_bytes())
    data[offset : offset + 40] = bytes(40)
    jpeg2000.write_bytes(data)
    with open_slide(jpeg2000) as slide:
        assert slide.backend == "openslide"
