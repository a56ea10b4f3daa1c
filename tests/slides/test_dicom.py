"""DICOM whole slides: one series, all of it, and never another slide's pixels."""

from __future__ import annotations

import logging
import shutil
import warnings
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pydicom
import pytest

from napari_mmlnb.errors import MmlnbError, SlideError, SlideFormatError, SlideKindError, SlideReadError
from napari_mmlnb.slides.backends import dicom, dicom_header
from napari_mmlnb.slides.backends.dicom import DicomBackend
from napari_mmlnb.slides.backends.dicom_header import DicomHeaderError, read_header
from napari_mmlnb.slides.backends.openslide import OpenSlideBackend, OpenSlideReader
from napari_mmlnb.slides.fingerprint import fingerprint
from napari_mmlnb.slides.slide import open_slide
from tests.slides.made import area_level, tissue_picture, write_tiff
from tests.slides.made_dicom import SYNTAX, write_dicom, write_other

PICTURE = tissue_picture(900, 1101)


@pytest.fixture
def folder(tmp_path):
    """A slide of two levels and a label."""
    return write_dicom(tmp_path / "slide", picture=PICTURE, downsamples=(4.0,), mpp=(0.25, 0.31), label=True)


def edit(path, **changes):
    """Change elements of a DICOM file; None deletes one."""
    data = pydicom.dcmread(path)
    for name, value in changes.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    data.save_as(path)


def test_a_series_is_a_slide(folder):
    with open_slide(folder) as slide:
        assert slide.backend == "dicom"
        assert [grid.shape for grid in slide.grids] == [(900, 1101), (225, 275)]
        assert slide.metadata.codec == "JPEG"
        assert slide.metadata.associated == ("label",)
        assert slide.associated_image("label").shape == (60, 80, 3)
        assert np.abs(slide.read(0, 0, 0, 900, 1101).astype(float) - PICTURE).mean() < 2
        small = area_level(PICTURE, 225, 275)
        assert np.abs(slide.read(1, 0, 0, 225, 275).astype(float) - small).mean() < 3


def test_pixel_spacing_names_the_rows_first(folder):
    """PixelSpacing is (between rows, between columns): y, then x (PS3.3, 10.7.1.3)."""
    assert read_header(folder / "instance-1.dcm").matrix == (900, 1101)
    with open_slide(folder) as slide:
        assert slide.mpp.xy == pytest.approx((0.25, 0.31))
        assert slide.mpp_source == "dicom.PixelSpacing"
        assert slide.grids[0].spacing_um == pytest.approx((0.31, 0.25))
        assert slide.grids[1].spacing_um == pytest.approx((0.31 * 4, 0.25 * 1101 / 275))


@pytest.mark.parametrize("codec", [name for name in SYNTAX if name not in ("jpeg", "jpeg2000-ict")])
@pytest.mark.parametrize("sparse", [False, True])
def test_lossless_codecs_give_the_pixels_themselves(tmp_path, codec, sparse):
    path = write_dicom(tmp_path / "s", picture=PICTURE, downsamples=(2.0,), codec=codec, sparse=sparse)
    with open_slide(path) as slide:
        assert (slide.read(0, 0, 0, 900, 1101) == PICTURE).all()


def test_frames_that_were_never_scanned_are_white(tmp_path):
    path = write_dicom(tmp_path / "s", picture=np.zeros((512, 768, 3), np.uint8), sparse=True, leave_out=[(1, 2)])
    with open_slide(path) as slide:
        out = slide.read(0, 0, 0, 512, 768)
    assert (out[256:, 512:] == 255).all()
    assert (out[:256] < 5).all()
    assert (out[:, :512] < 5).all()


def test_a_level_in_several_files_is_put_together(tmp_path):
    path = write_dicom(tmp_path / "s", picture=PICTURE, codec="raw", downsamples=(4.0,), parts=3)
    with open_slide(path) as slide:
        assert (slide.read(0, 0, 0, 900, 1101) == PICTURE).all()


def test_any_file_stands_for_its_series_whatever_it_is_called(folder):
    whole = fingerprint(folder)
    for number, name in enumerate(["1.2.840.113619", "IM0001", "level.DCM"], start=1):
        (folder / f"instance-{number}.dcm").rename(folder / name)
        with open_slide(folder / name) as slide:
            assert slide.backend == "dicom"
            assert slide.grids[0].shape == (900, 1101)
            assert slide.fingerprint == fingerprint(folder) == whole


# Folders that are no single slide -------------------------------------------------------------------------------------


def test_an_empty_folder(tmp_path):
    with pytest.raises(SlideFormatError):
        open_slide(tmp_path)
    with pytest.raises(SlideFormatError, match="DICOM"):
        open_slide(tmp_path, backend="dicom")


def test_a_folder_without_dicom(tmp_path):
    write_tiff(tmp_path / "slide.tiff")
    (tmp_path / "letter.txt").write_text("Dear colleague")
    assert not DicomBackend().suits(tmp_path)
    with pytest.raises(SlideFormatError):
        open_slide(tmp_path)


def test_files_that_are_dicom_by_name_only(tmp_path):
    (tmp_path / "a.dcm").write_text("Dear colleague")
    (tmp_path / "b.dcm").write_bytes(b"")
    assert not DicomBackend().suits(tmp_path)
    with pytest.raises(SlideFormatError):
        open_slide(tmp_path)
    with pytest.raises(SlideReadError, match="none of its DICOM files can be read"):
        open_slide(tmp_path, backend="dicom")


def test_several_series_are_listed_and_none_is_chosen(folder):
    write_dicom(folder, picture=PICTURE[:500, :600], prefix="other", codec="raw")
    write_other(folder / "scan.dcm", modality="CT")
    for backend in (None, "dicom", "openslide"):
        with pytest.raises(SlideReadError, match="2 whole slides") as caught:
            open_slide(folder, backend=backend)
        text = str(caught.value)
        assert "SM 1101 x 900 px (3 files)" in text
        assert "SM 600 x 500 px (1 file)" in text
        assert "CT (1 file)" in text
        assert "folder of its own, or name one of its files" in text


def test_one_of_several_series_is_opened_by_one_of_its_files(folder):
    alone = fingerprint(folder)
    write_dicom(folder, picture=PICTURE[:500, :600], prefix="other", codec="raw")
    with open_slide(folder / "other-1.dcm") as slide:
        assert [grid.shape for grid in slide.grids] == [(500, 600)]
        assert (slide.read(0, 0, 0, 500, 600) == PICTURE[:500, :600]).all()
    for number in (1, 2, 3):
        with open_slide(folder / f"instance-{number}.dcm") as slide:
            assert [grid.shape for grid in slide.grids] == [(900, 1101), (225, 275)]
            assert slide.fingerprint == alone, "the other series is no part of it"


def test_other_dicom_beside_one_slide_is_let_be(folder):
    for number in range(3):
        write_other(folder / f"ct-{number}.dcm")
    with open_slide(folder) as slide:
        assert slide.grids[0].shape == (900, 1101)


def test_dicom_that_is_no_slide(tmp_path):
    write_other(tmp_path / "1.dcm", modality="CT", series="1.2.3")
    write_other(tmp_path / "2.dcm", modality="CT", series="1.2.3")
    write_other(tmp_path / "3.dcm", modality="SR")
    with pytest.raises(SlideKindError, match=r"no whole slide.*CT \(2 files\); SR \(1 file\)"):
        open_slide(tmp_path)
    with pytest.raises(SlideKindError, match=r"another kind \(CT\)"):
        open_slide(tmp_path / "1.dcm")


def test_two_slides_under_one_uid_are_not_mixed(tmp_path):
    write_dicom(tmp_path, picture=PICTURE, series="1.2.3")
    write_dicom(tmp_path, picture=PICTURE[:, :600], series="1.2.3", prefix="other")
    with pytest.raises(SlideReadError, match=r"1101 x 900 px and 600 x 900 px do not show the same area"):
        open_slide(tmp_path)


def test_two_pieces_of_glass_under_one_uid_are_not_mixed(folder):
    edit(folder / "instance-2.dcm", ContainerIdentifier="another one")
    with pytest.raises(SlideReadError, match="different glass slides"):
        open_slide(folder)


def test_fluorescence_is_no_rgb_slide(folder):
    edit(folder / "instance-1.dcm", NumberOfOpticalPaths=2, NumberOfFrames=40)
    with pytest.raises(SlideReadError):
        open_slide(folder)


# Something is missing -------------------------------------------------------------------------------------------------


def test_without_its_full_resolution_a_slide_is_not_opened(folder):
    """OpenSlide would show the reduced level as if it were the slide."""
    (folder / "instance-1.dcm").unlink()
    for path in (folder, folder / "instance-2.dcm"):
        with pytest.raises(SlideReadError, match=r"full resolution is missing.*275 x 225 px"):
            open_slide(path)


def test_without_any_level_a_slide_is_not_opened(folder):
    for number in (1, 2):
        (folder / f"instance-{number}.dcm").unlink()
    with pytest.raises(SlideReadError, match="no level"):
        open_slide(folder)


@pytest.mark.parametrize("total", [True, False])
def test_a_missing_part_of_a_level(tmp_path, total):
    folder = write_dicom(tmp_path / "s", picture=PICTURE, parts=3, downsamples=(4.0,))
    if not total:
        for number in (1, 2, 3):
            edit(folder / f"instance-{number}.dcm", InConcatenationTotalNumber=None)
    (folder / "instance-2.dcm").unlink()
    with pytest.raises(SlideReadError, match="only 2 of 3 files" if total else "13 of 20 frames"):
        open_slide(folder)


def test_frames_that_a_full_level_lacks(folder):
    edit(folder / "instance-1.dcm", NumberOfFrames=19)
    with pytest.raises(SlideReadError, match="19 of 20 frames"):
        open_slide(folder)


def test_the_same_file_twice_is_no_harm(folder):
    shutil.copy(folder / "instance-1.dcm", folder / "copy of instance-1.dcm")
    with open_slide(folder) as slide:
        assert slide.grids[0].shape == (900, 1101)


@pytest.mark.parametrize("codec", ["jpeg", "raw"])
@pytest.mark.parametrize("which", [1, 2, 3])
@pytest.mark.parametrize("share", [0.0, 0.003, 0.05, 0.5, 0.98])
def test_a_file_cut_short(tmp_path, codec, which, share):
    folder = write_dicom(tmp_path / "s", picture=PICTURE, downsamples=(4.0,), codec=codec, label=True)
    path = folder / f"instance-{which}.dcm"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    for named in (folder, folder / "instance-1.dcm"):
        with pytest.raises(SlideError):
            open_slide(named)


def test_padding_after_the_pixels_is_no_damage(folder):
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        data.DataSetTrailingPadding = b"\0" * 5000
        data.save_as(path)
    open_slide(folder).close()


def test_levels_that_openslide_leaves_out_are_missed(folder, monkeypatch):
    """OpenSlide 4.0.0 skips kinds of images that it does not know, and would show the next level as the slide."""

    class OlderOpenSlideReader(OpenSlideReader):
        @property
        def metadata(self):
            known = super().metadata
            return replace(known, levels=known.levels[1:])

    monkeypatch.setattr(dicom, "OpenSlideReader", OlderOpenSlideReader)
    with pytest.raises(SlideReadError, match="does not know the kind"):
        open_slide(folder)


def test_a_codec_that_nobody_knows(folder):
    data = pydicom.dcmread(folder / "instance-1.dcm")
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.80"
    data.save_as(folder / "instance-1.dcm")
    with pytest.raises(SlideReadError, match=r"Unsupported transfer syntax 1\.2\.840"):
        open_slide(folder)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_slide_deleted_while_it_is_open(tmp_path, sparse):
    """Our own reads keep the file open, and where that keeps it alive the pixels are right; OpenSlide opens it anew."""
    folder = write_dicom(tmp_path / "s", picture=PICTURE, codec="raw", sparse=sparse)
    with open_slide(folder) as slide:
        shutil.rmtree(folder)
        with suppress(SlideReadError):
            assert (slide.read(0, 0, 0, 900, 1101) == PICTURE).all()


# Who opens what -------------------------------------------------------------------------------------------------------


def test_openslide_stands_back_for_dicom_but_can_be_asked(folder):
    assert not OpenSlideBackend().suits(folder)
    assert not OpenSlideBackend().suits(folder / "instance-1.dcm")
    for path in (folder, folder / "instance-2.dcm"):
        with open_slide(path, backend="openslide") as slide, open_slide(path) as own:
            assert (slide.backend, own.backend) == ("openslide", "dicom")
            assert (slide.read(0, 300, 200, 99, 77) == own.read(0, 300, 200, 99, 77)).all()


def test_a_tiff_that_is_dicom_too_goes_to_the_tiff_backend(tmp_path):
    path = write_tiff(tmp_path / "both.tiff")
    content = bytearray(path.read_bytes())
    content[128:132] = b"DICM"
    (tmp_path / "both.tiff").write_bytes(content)
    assert not DicomBackend().suits(tmp_path / "both.tiff")


def test_the_per_frame_groups_are_not_parsed(tmp_path, monkeypatch):
    """A sparse slide has an item a frame there, hundreds of thousands of them."""
    folder = write_dicom(tmp_path / "s", picture=PICTURE, sparse=True)
    path = folder / "instance-1.dcm"
    content = path.read_bytes()
    start = content.index(bytes.fromhex("00523092"))
    path.write_bytes(content[: start + 12] + b"\xff" * 300 + content[start + 12 :])
    assert read_header(path).frames == 20


# What nobody else may read --------------------------------------------------------------------------------------------


def test_no_name_of_a_file_and_no_word_of_the_patient_is_logged_or_warned_of(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    folder = write_dicom(tmp_path / "s", picture=PICTURE, downsamples=(4.0,), prefix="Doe-Jane-1970", label=True)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with open_slide(folder) as slide:
            slide.read(0, 0, 0, 100, 100)
            assert slide.fingerprint
        path = folder / "Doe-Jane-1970-1.dcm"
        content = path.read_bytes()
        for end in (0, 150, 700, len(content) // 2):
            path.write_bytes(content[:end])
            with pytest.raises(MmlnbError) as caught:
                open_slide(folder)
            assert "Doe" not in str(caught.value)
        path.unlink()
        with pytest.raises(MmlnbError) as caught:
            open_slide(folder)
        assert "Doe" not in str(caught.value)
    assert "Doe" not in caplog.text
    assert not [str(warning.message) for warning in warned if "Doe" in str(warning.message)]


def test_the_error_of_openslide_names_no_file(tmp_path):
    folder = write_dicom(tmp_path / "s", picture=PICTURE, downsamples=(4.0,), prefix="Doe-Jane")
    for path in folder.iterdir():
        edit(path, PhotometricInterpretation="YBR_PARTIAL_420")
    with pytest.raises(SlideReadError) as caught:
        open_slide(folder)
    assert "YBR_PARTIAL_420" in str(caught.value)
    assert "Doe" not in str(caught.value)


def test_a_header_is_read_without_the_patients_name():
    assert "PatientName" not in dicom_header._WANTED


def test_flipped_bits_in_a_header_are_typed_errors(folder):
    content = (folder / "instance-2.dcm").read_bytes()
    header = content.index(bytes.fromhex("e07f1000"))
    rng = np.random.default_rng(0)
    opened = 0
    for _ in range(150):
        data = bytearray(content)
        data[int(rng.integers(132, header))] ^= 1 << int(rng.integers(0, 8))
        (folder / "instance-2.dcm").write_bytes(data)
        try:
            with open_slide(folder) as slide:
                assert slide.grids[0].shape == (900, 1101)
                opened += 1
        except MmlnbError:
            continue
    assert 0 < opened < 150


def test_a_header_cut_short_is_told_from_a_whole_one(folder):
    path = folder / "instance-1.dcm"
    content = path.read_bytes()
    for end in (133, 200, 400, 500):
        path.write_bytes(content[:end])
        with pytest.raises(DicomHeaderError):
            read_header(path)
