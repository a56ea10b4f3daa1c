from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.slides.backends.jpeg_stream import JpegError, JpegFrame, JpegStream, frame_of, is_whole
from tests.slides.made import jpeg_segments as segments
from tests.slides.made import jpeg_without as without
from tests.slides.made import tissue_picture, unmarked_rgb_jpeg

SIDE = 240
PICTURE = np.ascontiguousarray(tissue_picture(3 * SIDE, 3 * SIDE)[SIDE : 2 * SIDE, SIDE : 2 * SIDE])
SUBSAMPLINGS = ("420", "422", "444")


def encoded(picture=PICTURE, subsampling: str = "422", level: int = 85) -> bytes:
    """As most scanners do: YCbCr, a JFIF header, complete."""
    return bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(picture), level=level, subsampling=subsampling))


@pytest.fixture
def stream_of(tmp_path):
    """Make a decoder for a page of one tile, as tifffile sees it."""

    def make(data: bytes, photometric: str = "ycbcr", side=(SIDE, SIDE), tables: bytes | None = None) -> JpegStream:
        path = tmp_path / "page.tiff"
        tifffile.imwrite(
            path, iter([data]), shape=(*side, 3), dtype=np.uint8, tile=side, compression="jpeg",
            photometric=photometric, metadata=None, compressionargs={"outcolorspace": photometric.upper()},
            extratags=[(347, 7, len(tables), tables, True)] if tables else None,
        )  # fmt: skip
        with tifffile.TiffFile(path) as tif:
            page = tif.pages[0]
            assert bool(page.jpegtables) == bool(tables)
            assert page.photometric.name.lower() == photometric
            return JpegStream(page)

    return make


def difference(pixels, expected) -> np.ndarray:
    return np.abs(pixels.astype(np.float64) - expected)


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_pixels_are_those_of_the_reference_decoder(stream_of, subsampling):
    data = encoded(subsampling=subsampling)
    pixels = stream_of(data).decode(data)
    assert (pixels == imagecodecs.jpeg8_decode(data)).all()
    assert difference(pixels, PICTURE).mean() < 2.5


def test_rgb_without_an_adobe_marker_is_rgb(stream_of):
    data = unmarked_rgb_jpeg(PICTURE)
    assert b"Adobe" not in data
    assert b"JFIF" not in data
    pixels = stream_of(data, "rgb").decode(data)
    assert difference(pixels, PICTURE).mean() < 2
    # The trap is real: whoever goes by the stream alone takes it for YCbCr.
    assert difference(imagecodecs.jpeg8_decode(data), PICTURE).mean() > 20


def test_a_jfif_header_stands_above_the_page(stream_of):
    """JFIF means YCbCr; some programs, QuPath among them, write it on pages that say RGB."""
    data = encoded()
    assert b"JFIF" in data
    pixels = stream_of(data, "rgb").decode(data)
    assert (pixels == imagecodecs.jpeg8_decode(data)).all()
    assert difference(pixels, PICTURE).mean() < 2.5


@pytest.mark.parametrize("markers", [(), (0xE0,)])
def test_ycbcr_with_or_without_a_jfif_header(stream_of, markers):
    data = without(encoded(), *markers)
    assert (stream_of(data).decode(data) == imagecodecs.jpeg8_decode(encoded())).all()


@pytest.mark.parametrize("photometric", ["ycbcr", "rgb"])
def test_tables_may_stand_apart(stream_of, photometric):
    data = encoded() if photometric == "ycbcr" else unmarked_rgb_jpeg(PICTURE)
    parts = [data[start:end] for marker, start, end in segments(data) if marker in (0xC4, 0xDB)]
    tables = b"\xff\xd8" + b"".join(parts) + b"\xff\xd9"
    bare = without(data, 0xC4, 0xDB, 0xE0)
    pixels = stream_of(bare, photometric, tables=tables).decode(bare)
    assert (pixels == stream_of(data, photometric).decode(data)).all()
    with pytest.raises(JpegError):
        stream_of(bare, photometric).decode(bare)


def test_tiles_of_a_page_that_begin_otherwise(stream_of):
    """JFIF header or none, other tables and subsampling, RGB among YCbCr, a wrong size among right ones."""
    like = [encoded(subsampling=how, level=level) for how in SUBSAMPLINGS for level in (60, 90)]
    stream = stream_of(like[0])
    for data in [*like, *reversed(like)]:
        expected = imagecodecs.jpeg8_decode(data)
        assert (stream.decode(data) == expected).all()
        assert (stream.decode(without(data, 0xE0)) == expected).all()
        for wrong in (encoded(PICTURE[:120, :120]), encoded(np.tile(PICTURE, (2, 2, 1))), b"\xff\xd8\xff\xd9"):
            with pytest.raises(JpegError):
                stream.decode(wrong, 2)
    rgb, jfif = unmarked_rgb_jpeg(PICTURE), encoded()
    stream = stream_of(rgb, "rgb")
    for data in (rgb, jfif, rgb):
        assert difference(stream.decode(data), PICTURE).mean() < 2.5


def test_into_a_given_array(stream_of):
    data = encoded()
    stream = stream_of(data)
    for reduce in (1, 2, 4, 8):
        out = np.zeros((SIDE // reduce, SIDE // reduce, 3), np.uint8)
        pixels = stream.decode(data, reduce, out)
        assert np.shares_memory(pixels, out)
        assert (out == stream.decode(data, reduce)).all()


# Measured on this picture: the mean is 0.46 to 0.55 grey levels, the worst pixel 5.3, but for 4:2:2, where the decoder
# cannot reduce the halved colour by itself, and at a quarter and an eighth leaves it coarser across than down: 0.66,
# 1.28 and 1.85 in the mean, 4.8, 11.3 and 14.3 at worst. No colour is shifted as a whole.
TOLERANCE = {
    ("420", 2): (0.7, 8), ("420", 4): (0.7, 8), ("420", 8): (0.7, 8),
    ("422", 2): (0.9, 8), ("422", 4): (1.6, 15), ("422", 8): (2.3, 19),
    ("444", 2): (0.7, 4), ("444", 4): (0.7, 4), ("444", 8): (0.7, 4),
}  # fmt: skip


@pytest.mark.parametrize(("subsampling", "reduce"), TOLERANCE)
def test_reduced_tiles_are_the_means_of_full_ones_within_a_tolerance(stream_of, subsampling, reduce):
    data = encoded(subsampling=subsampling)
    stream = stream_of(data)
    small = stream.decode(data, reduce)
    side = SIDE // reduce
    mean = stream.decode(data).reshape(side, reduce, side, reduce, 3).mean(axis=(1, 3))
    assert small.shape == (side, side, 3)
    usual, worst = TOLERANCE[subsampling, reduce]
    assert difference(small, mean).mean() < usual
    assert difference(small, mean).max() < worst
    assert np.abs((small - mean).mean(axis=(0, 1))).max() < 0.3


@pytest.mark.parametrize(
    ("side", "reductions"),
    [
        ((240, 240), (1, 2, 4, 8)),
        ((512, 248), (1, 2, 4, 8)),
        ((252, 240), (1, 2, 4)),
        ((250, 250), (1, 2)),
        ((241, 240), (1,)),
    ],
)
def test_only_reductions_that_divide_the_tile(side, reductions):
    data = encoded(np.zeros((*side, 3), np.uint8))
    stream = JpegStream(Page(*side))
    assert stream.reductions == reductions
    assert [stream.decode(data, reduce).shape for reduce in reductions] == [
        (side[0] // reduce, side[1] // reduce, 3) for reduce in reductions
    ]


@pytest.mark.parametrize("side", [16, 120, 232, 248, 480, 960, 1920])
@pytest.mark.parametrize("reduce", [1, 2, 4, 8])
def test_a_stream_of_another_size_is_refused(stream_of, side, reduce):
    """Twice the size, reduced once more than asked for, would fit, and show four times too much."""
    data = encoded(np.full((side, side, 3), 120, np.uint8))
    with pytest.raises(JpegError):
        stream_of(data).decode(data, reduce)


def test_one_side_of_another_size_is_refused(stream_of):
    data = encoded(np.full((SIDE, 2 * SIDE, 3), 120, np.uint8))
    with pytest.raises(JpegError):
        stream_of(data).decode(data)


def test_a_grey_stream_in_a_colour_file_shows_grey_or_nothing(stream_of):
    data = bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(PICTURE[..., 1]), level=90))
    try:
        pixels = stream_of(data).decode(data)
    except JpegError:
        return
    assert (pixels == pixels[..., :1]).all()
    assert difference(pixels[..., 0], PICTURE[..., 1]).mean() < 2


DATA = encoded()
WHOLE = [end for _, _, end in segments(DATA)]


@given(keep=st.integers(0, len(DATA) - 1))
def test_a_truncated_stream_is_never_filled_up(keep):
    with pytest.raises(JpegError):
        stream_for_data().decode(DATA[:keep])


@given(keep=st.integers(2, len(DATA) - 200), reduce=st.sampled_from([1, 2, 4, 8]))
def test_nor_is_one_that_was_given_an_end(keep, reduce):
    with pytest.raises(JpegError):
        stream_for_data().decode(DATA[:keep] + b"\xff\xd9", reduce)


@given(start=st.integers(WHOLE[-1] + 20, len(DATA) - 400), length=st.integers(200, 3000))
def test_a_hole_of_zeros_is_noticed(start, length):
    hole = DATA[:start] + bytes(length) + DATA[start + length :]
    with pytest.raises(JpegError):
        stream_for_data().decode(hole[: len(DATA) - 2] + b"\xff\xd9")


@given(flips=st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(0, 7)), min_size=1, max_size=40))
def test_flipped_bits_give_an_error_or_a_picture_of_the_right_size(flips):
    """Not every flip can be noticed: JPEG has no check sums."""
    data = bytearray(DATA)
    for at, bit in flips:
        data[at] ^= 1 << bit
    for reduce in (1, 2, 8):
        try:
            pixels = stream_for_data().decode(bytes(data), reduce)
        except JpegError:
            continue
        assert pixels.shape == (SIDE // reduce, SIDE // reduce, 3)
        assert pixels.dtype == np.uint8


@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_are_an_error(data):
    for start in (b"", b"\xff\xd8", b"\xff\xd8\xff\xe0", DATA[:300]):
        with pytest.raises(JpegError):
            stream_for_data().decode(start + data)


def stream_for_data() -> JpegStream:
    """A decoder for a page like that of `DATA`, without a file for each example."""
    return JpegStream(Page(SIDE, SIDE))


class Page:
    """What a decoder looks at of a page; tifffile itself writes no tiles whose sides are not multiples of 16."""

    photometric = tifffile.PHOTOMETRIC.YCBCR
    compression = tifffile.COMPRESSION.JPEG
    jpegtables = None

    def __init__(self, height: int, width: int) -> None:
        self.tilelength, self.tilewidth = height, width


def test_whole_is_what_begins_and_ends_as_a_jpeg():
    assert is_whole(DATA)
    assert is_whole(DATA + bytes(400))
    assert not is_whole(DATA[:-2])
    assert not is_whole(DATA[2:])
    assert not is_whole(b"")
    assert not is_whole(DATA + bytes(1000))


def test_padding_after_the_end_is_no_damage(stream_of):
    padded = DATA + bytes(100)
    assert (stream_of(padded).decode(padded) == imagecodecs.jpeg8_decode(DATA)).all()


def test_the_frame_header_is_found(stream_of):
    data = encoded(np.zeros((48, 80, 3), np.uint8))
    frame = frame_of(data)
    assert data[frame.end : frame.end + 2] == b"\xff\xc4", "where the next segment begins"
    assert frame == JpegFrame(0xC0, 8, 48, 80, 3, frame.end)
    assert frame.usual
    grey = frame_of(bytes(imagecodecs.jpeg8_encode(np.zeros((48, 80), np.uint8))))
    assert grey.components == 1
    assert not grey.usual
    filled = DATA[:20] + b"\xff\xff" + DATA[20:]  # fill bytes before a marker
    assert frame_of(filled).width == SIDE


@given(data=st.binary(max_size=60))
def test_no_frame_header_is_none(data):
    frame = frame_of(b"\xff\xd8" + data)
    assert frame is None or data[0] == 0xFF
