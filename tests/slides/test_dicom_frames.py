"""Frames of DICOM files read by their place: however they are listed, the same pixels, and no others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pydicom
import pytest
import tifffile
from pydicom.encaps import encapsulate

from napari_mmlnb.errors import SlideReadError, TileReadError
from napari_mmlnb.slides.backends.dicom import DicomReader
from napari_mmlnb.slides.backends.dicom_frames import FrameLayoutError, FrameTableError, read_frame_table
from napari_mmlnb.slides.backends.dicom_header import read_header
from napari_mmlnb.slides.backends.dicom_level import DicomLevel
from napari_mmlnb.slides.backends.file_bytes import FileBytes
from napari_mmlnb.slides.slide import open_slide
from tests.slides.made import area_level, noise, tissue_picture
from tests.slides.made_dicom import write_dicom
from tests.slides.made_svs import made_tile

PICTURE = tissue_picture(900, 1101)
FRAMES = 20


def own_levels(slide) -> list[bool]:
    """Which levels are read by ourselves, not by OpenSlide."""
    reader = slide.tiles.reader
    assert isinstance(reader, DicomReader)
    return [own is not None for own in reader._own]


def table_of(folder):
    path = folder / "instance-1.dcm"
    return read_frame_table(path, read_header(path))


@pytest.mark.parametrize("table", ["basic", "extended", "none"])
@pytest.mark.parametrize("codec", ["jpeg", "jpeg2000"])
def test_however_the_frames_are_listed(tmp_path, table, codec):
    folder = write_dicom(tmp_path / "s", picture=PICTURE, downsamples=(2.5,), codec=codec, table=table)
    with open_slide(folder) as slide, open_slide(folder, backend="openslide") as reference:
        assert own_levels(slide) == [True, True]
        assert (slide.read(0, 0, 0, 900, 1101) == reference.read(0, 0, 0, 900, 1101)).all()
        if codec == "jpeg2000":
            assert (slide.read(0, 0, 0, 900, 1101) == PICTURE).all()
            assert (slide.read(1, 0, 0, 360, 440) == area_level(PICTURE, 360, 440)).all()


def test_frames_that_are_not_compressed(tmp_path):
    folder = write_dicom(tmp_path / "s", picture=PICTURE, downsamples=(2.5,), codec="raw")
    with open_slide(folder) as slide:
        assert own_levels(slide) == [True, True]
        assert (slide.read(0, 0, 0, 900, 1101) == PICTURE).all()
        assert (slide.read(1, 0, 0, 360, 440) == area_level(PICTURE, 360, 440)).all()


def test_a_frame_in_several_fragments(tmp_path):
    """With a table they are put together; without one nobody can tell where a frame ends, and OpenSlide has it."""
    folder = write_dicom(tmp_path / "with", picture=PICTURE, fragments=3)
    with open_slide(folder) as slide, open_slide(folder, backend="openslide") as reference:
        assert own_levels(slide) == [True]
        assert (slide.read(0, 0, 0, 900, 1101) == reference.read(0, 0, 0, 900, 1101)).all()
    with pytest.raises(FrameLayoutError, match="more items than frames"):
        table_of(write_dicom(tmp_path / "without", picture=PICTURE, fragments=3, table="none"))


@pytest.mark.parametrize("layout", [{"sparse": True}, {"parts": 2}])
def test_other_layouts_are_left_to_openslide(tmp_path, layout):
    folder = write_dicom(tmp_path / "s", picture=PICTURE, codec="raw", downsamples=(4.0,), **layout)
    with open_slide(folder) as slide:
        assert own_levels(slide)[0] is False
        assert (slide.read(0, 0, 0, 900, 1101) == PICTURE).all()


def test_levels_between_which_openslide_interpolates_are_exact(tmp_path):
    picture = noise(256, 19999)
    folder = write_dicom(tmp_path / "s", picture=picture, downsamples=(3.9998,), codec="raw")
    with open_slide(folder) as slide, open_slide(folder, backend="openslide") as reference:
        expected = area_level(picture, 64, 5000)
        assert (slide.read(1, 0, 0, 64, 5000) == expected).all()
        assert (reference.read(1, 0, 0, 64, 5000) != expected).any()


def test_jpeg_frames_can_be_reduced_while_they_are_decoded(tmp_path):
    folder = write_dicom(tmp_path / "s", picture=PICTURE)
    with open_slide(folder) as slide:
        assert slide.tiles.reductions(0) == (1, 2, 4, 8)
        whole, half = slide.tiles.tile(0, 1, 1), slide.tiles.tile(0, 1, 1, 2)
    assert half.shape == (128, 128, 3)
    mean = whole.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
    assert np.abs(half - mean).mean() < 2


def test_rgb_in_jpeg_is_not_taken_for_ycbcr(tmp_path):
    """The decoder would guess from the stream; what the header says counts."""
    folder = write_dicom(tmp_path / "s", picture=PICTURE[:256, :256])
    path = folder / "instance-1.dcm"
    stream, expected = made_tile(np.ascontiguousarray(PICTURE[:256, :256]), "rgb")
    data = pydicom.dcmread(path)
    data.PhotometricInterpretation = "RGB"
    data.PixelData = encapsulate([stream])
    data.save_as(path)
    with open_slide(folder) as slide:
        assert own_levels(slide) == [True]
        assert (slide.read(0, 0, 0, 256, 256) == expected).all()


# Damage ---------------------------------------------------------------------------------------------------------------


def test_one_damaged_frame_costs_one_tile(tmp_path):
    folder = write_dicom(tmp_path / "s", picture=PICTURE)
    table = table_of(folder)
    path = folder / "instance-1.dcm"
    content = bytearray(path.read_bytes())
    lost = 7
    start, size = int(table.starts[lost]), int(table.sizes[lost])
    content[start + size // 2 : start + size] = b"\xff" * (size - size // 2)
    path.write_bytes(content)
    with open_slide(folder) as slide:
        row, column = divmod(lost, 5)
        with pytest.raises(TileReadError):
            slide.read(0, row * 256 + 5, column * 256 + 5, 9, 9)
        assert slide.read(0, 0, 0, 256, 1101).shape == (256, 1101, 3)
        slide.pyramid[0][:]
        assert {(tile.level, tile.row, tile.column) for tile in slide.damage.tiles} == {(0, row, column)}


ASTRAY = [0, 2**31, 2**32 - 8]


@pytest.mark.parametrize(
    ("layout", "offset"),
    [
        *(({}, offset) for offset in ASTRAY),
        *(({"sparse": True}, offset) for offset in ASTRAY),
        *(({"table": "extended"}, offset) for offset in (*ASTRAY, 2**63 + 8)),
    ],
)
@pytest.mark.parametrize("entry", [1, 10, FRAMES - 1])
@pytest.mark.parametrize("backend", [None, "openslide"])
def test_a_table_that_leads_astray_is_refused(tmp_path, layout, offset, entry, backend):
    """libdicom, under OpenSlide, ends in a segmentation fault over an offset that is not above the one before."""
    folder = write_dicom(tmp_path / "s", picture=PICTURE, **layout)
    path = folder / "instance-1.dcm"
    content = bytearray(path.read_bytes())
    if layout.get("table") == "extended":
        start, width = content.index(bytes.fromhex("e07f01004f560000")) + 12, 8
    else:
        start, width = int(table_of(folder).starts[0]) - 4 * FRAMES, 4
    content[start + width * entry : start + width * (entry + 1)] = offset.to_bytes(width, "little")
    path.write_bytes(content)
    for named in (folder, path):
        with pytest.raises(SlideReadError, match="table of frames"):
            open_slide(named, backend=backend)


def test_more_frames_than_the_file_can_hold(tmp_path):
    folder = write_dicom(tmp_path / "s", picture=PICTURE, sparse=True, table="none")
    data = pydicom.dcmread(folder / "instance-1.dcm")
    data.NumberOfFrames = 2_000_000_000
    data.save_as(folder / "instance-1.dcm")
    with pytest.raises(SlideReadError, match="table of frames"):
        open_slide(folder)


def test_an_offset_that_points_between_frames_costs_two_tiles(tmp_path):
    folder = write_dicom(tmp_path / "s", picture=PICTURE)
    path, table = folder / "instance-1.dcm", table_of(folder)
    content = bytearray(path.read_bytes())
    start = int(table.starts[0]) - 4 * FRAMES + 4 * 11
    wrong = int(table.starts[11] - table.starts[0]) + 4
    content[start : start + 4] = wrong.to_bytes(4, "little")
    path.write_bytes(content)
    with open_slide(folder) as slide:
        slide.pyramid[0][:]
        assert {(tile.row, tile.column) for tile in slide.damage.tiles if tile.level == 0} == {(2, 0), (2, 1)}


def test_flipped_bits_give_the_picture_or_a_typed_error(tmp_path):
    """Anywhere in the file. What JPEG 2000 cannot notice is a wrong sample within a frame, so JPEG is asked."""
    folder = write_dicom(tmp_path / "s", picture=PICTURE[:300, :300], tile=(128, 128))
    path = folder / "instance-1.dcm"
    content = path.read_bytes()
    with open_slide(folder) as slide:
        whole = slide.read(0, 0, 0, 300, 300).astype(int)
    table = table_of(folder)
    rng = np.random.default_rng(0)
    same = 0
    for _ in range(60):
        data = bytearray(content)
        data[int(rng.integers(0, int(table.starts[0])))] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(data)
        try:
            with open_slide(folder) as slide:
                if slide.grids[0].shape == (300, 300):
                    assert np.abs(slide.read(0, 0, 0, 300, 300) - whole).max() == 0
                    same += 1
        except SlideReadError:
            continue
    assert same > 10


def test_what_is_not_an_item_is_no_frame(tmp_path):
    folder = write_dicom(tmp_path / "s", picture=PICTURE)
    table, path = table_of(folder), folder / "instance-1.dcm"
    content = bytearray(path.read_bytes())
    content[int(table.starts[3])] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(FrameTableError):
        table.read(FileBytes(path), 3)
    with pytest.raises(TileReadError):
        DicomLevel(path, read_header(path), table).stored_bytes(0, 3)


def test_a_colour_space_that_is_not_known_is_left_to_openslide(tmp_path):
    folder = write_dicom(tmp_path / "s", picture=PICTURE)
    header, table = read_header(folder / "instance-1.dcm"), table_of(folder)
    assert header.photometric == "YBR_FULL_422"
    with pytest.raises(FrameLayoutError):
        DicomLevel(tmp_path, replace(header, photometric="YBR_PARTIAL_420"), table)
    with pytest.raises(FrameLayoutError):
        DicomLevel(tmp_path, replace(header, syntax="1.2.840.10008.1.2.4.80"), table)
    DicomLevel(tmp_path, header, table).close()


def test_the_photometric_interpretations_are_those_of_tiff():
    from napari_mmlnb.slides.backends.dicom_level import _PHOTOMETRIC

    assert _PHOTOMETRIC["RGB"] == tifffile.PHOTOMETRIC.RGB


def test_the_real_slide_is_read_by_ourselves(real_slides):
    with open_slide(real_slides / "CMU-1-Small-Region-dicom") as slide:
        assert own_levels(slide) == [True]
