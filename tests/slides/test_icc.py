"""sRGB by the slide's colour profile: what is shown, never what is analysed."""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from napari_mmlnb.errors import ColourProfileError
from napari_mmlnb.slides.icc import ColourProfile, SrgbTransform
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tissue import find_tissue
from tests.slides.made import tissue_picture, write_tiff
from tests.slides.made_dicom import write_dicom

SRGB_PRIMARIES = ((0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
"""X, Y, Z (D50) of red, green and blue; IEC 61966-2-1, adapted."""


def profile(primaries=SRGB_PRIMARIES, gamma: float = 1.0, space: bytes = b"RGB ", intent: int = 0, name="Scanner 7"):
    """A matrix profile, version 2, byte by byte (ICC.1:2001-04)."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name.encode() + b"\0" * 79,
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": b"XYZ \0\0\0\0" + b"".join(map(fixed, (0.9642, 1.0, 0.8249))),
    }
    for channel, xyz in zip(b"rgb", primaries, strict=True):
        tags[bytes([channel]) + b"XYZ"] = b"XYZ \0\0\0\0" + b"".join(map(fixed, xyz))
        tags[bytes([channel]) + b"TRC"] = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    table, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        table += tag + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, b"scnr", space, b"XYZ ") + b"\0" * 12 + b"acsp"
    head += b"\0" * 24 + struct.pack(">I", intent) + b"".join(map(fixed, (0.9642, 1.0, 0.8249)))
    return head.ljust(128, b"\0") + table + body


def srgb_of_linear(values):
    light = np.asarray(values) / 255
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def test_linear_light_becomes_srgb():
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=-1)
    out = SrgbTransform(profile(gamma=1.0))(grey)
    assert np.abs(out - srgb_of_linear(grey)).max() <= 1.5
    assert out[0, 128].tolist() == [188, 188, 188]


def test_primaries_are_moved():
    """A scanner whose red and green are the other way round: what it calls red is green."""
    red, green, blue = SRGB_PRIMARIES
    transform = SrgbTransform(profile((green, red, blue), gamma=2.2))
    out = transform(np.array([[(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]], np.uint8))
    expected = [(0, 255, 0), (255, 0, 0), (0, 0, 255), (255, 255, 255)]
    assert np.abs(out[0].astype(int) - expected).max() <= 4


def test_what_is_given_is_left_as_it_is():
    picture = tissue_picture(64, 80)
    window = picture[3:50, 5:70]
    before = picture.copy()
    out = SrgbTransform(profile())(window)
    assert (picture == before).all()
    assert out.shape == window.shape
    assert (out != window).any()
    out[:] = 0  # and the answer is the caller's own


def test_several_threads_share_a_transform():
    transform = SrgbTransform(profile())
    pictures = [tissue_picture(128, 128, seed) for seed in range(8)]
    alone = [transform(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for expected, found in zip(alone, pool.map(transform, pictures), strict=True):
                assert (found == expected).all()


@pytest.mark.parametrize(
    ("header", "used"),
    [(0, "perceptual"), (1, "relative colorimetric"), (2, "saturation"), (3, "relative colorimetric")],
)
def test_the_intent_is_the_profiles_own_but_never_absolute(header, used):
    assert SrgbTransform(profile(intent=header)).intent == used


def test_it_says_what_it_is():
    facts = ColourProfile.of(profile(name="Scan\nner\t7" + "x" * 300))
    assert facts.usable
    assert facts.description.startswith("Scan ner 7x")
    assert len(facts.description) <= 120
    assert facts.size == len(profile(name="Scan\nner\t7" + "x" * 300))


WHOLE = profile()
DAMAGED = {
    "empty": b"",
    "text": b"Dear colleague" * 20,
    "cut in the header": WHOLE[:100],
    "cut in the tags": WHOLE[:-60],
    "another signature": WHOLE[:36] + b"nope" + WHOLE[40:],
    "no tags": WHOLE[:128] + b"\0\0\0\0" + WHOLE[132:],
    "impossible intent": profile(intent=77),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_profile_is_a_typed_error(damage):
    with pytest.raises(ColourProfileError, match="damaged") as caught:
        SrgbTransform(DAMAGED[damage])
    assert "as they are stored" in caught.value.remedy
    facts = ColourProfile.of(DAMAGED[damage])
    assert not facts.usable
    assert "damaged" in facts.problem


@pytest.mark.parametrize("space", [b"CMYK", b"GRAY", b"Lab "])
def test_a_profile_of_other_colours_is_refused(space):
    with pytest.raises(ColourProfileError, match="not RGB"):
        SrgbTransform(profile(space=space))


def test_flipped_bits_never_get_past_the_typed_error():
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(1000):
        data = bytearray(WHOLE)
        for place in rng.integers(0, len(data), 3):
            data[place] ^= 1 << int(rng.integers(0, 8))
        try:
            SrgbTransform(bytes(data))(np.zeros((4, 4, 3), np.uint8))
        except ColourProfileError:
            refused += 1
    assert 0 < refused < 1000


# On a slide -----------------------------------------------------------------------------------------------------------


def slide_with(tmp_path, kind: str, icc: bytes | None):
    picture = tissue_picture(900, 1100)
    if kind == "dicom":
        return write_dicom(tmp_path / "slide", picture=picture, codec="raw", downsamples=(4.0,), icc=icc), picture
    path = write_tiff(tmp_path / "slide.tiff", picture=picture, downsamples=(4.0,), icc=icc)
    return path, picture


@pytest.mark.parametrize("kind", ["tiff", "dicom"])
def test_srgb_is_shown_on_request_and_raw_is_what_counts(tmp_path, kind):
    path, picture = slide_with(tmp_path, kind, profile())
    with open_slide(path) as slide:
        assert slide.colour_profile.description == "Scanner 7"
        shown, raw = slide.pyramid_as("srgb"), slide.pyramid_as("raw")
        assert len(shown) == len(raw) == len(slide.pyramid_grids)
        assert (raw[0][:] == picture).all()
        assert (shown[0][:] == SrgbTransform(profile())(picture)).all()
        assert (shown[0][:] != picture).mean() > 0.9
        # Neither the other pyramid nor what is analysed was touched by having been shown, in either order.
        assert (slide.pyramid[0][:] == picture).all()
        assert (slide.read(0, 0, 0, 900, 1100) == picture).all()
        seen = find_tissue(slide).mask
    with open_slide(path) as slide:
        assert (find_tissue(slide).mask == seen).all()


def test_every_level_is_transformed(tmp_path):
    path, _ = slide_with(tmp_path, "tiff", profile())
    with open_slide(path) as slide:
        assert len(slide.pyramid) == 3, "one computed level between 1 and 4"
        for raw, shown in zip(slide.pyramid_as("raw"), slide.pyramid_as("srgb"), strict=True):
            expected = SrgbTransform(profile())(raw[:]).astype(int)
            # A computed level is the mean of what is shown, not what is shown of the mean.
            assert np.abs(shown[:].astype(int) - expected).max() <= 8
            assert np.abs(shown[:].astype(int) - raw[:]).mean() > 10


def test_without_a_profile_there_is_no_srgb(tmp_path):
    path, picture = slide_with(tmp_path, "tiff", None)
    with open_slide(path) as slide:
        assert slide.colour_profile is None
        with pytest.raises(ColourProfileError, match="no colour profile"):
            slide.pyramid_as("srgb")
        assert (slide.pyramid_as("raw")[0][:] == picture).all()


@pytest.mark.parametrize("kind", ["tiff", "dicom"])
def test_a_slide_with_a_damaged_profile_opens_and_says_so(tmp_path, kind):
    path, picture = slide_with(tmp_path, kind, WHOLE[:200])
    with open_slide(path) as slide:
        assert not slide.colour_profile.usable
        assert slide.colour_profile.size == 200
        with pytest.raises(ColourProfileError):
            slide.pyramid_as("srgb")
        assert (slide.pyramid[0][:] == picture).all()


def test_closing_a_slide_closes_both(tmp_path):
    path, _ = slide_with(tmp_path, "tiff", profile())
    slide = open_slide(path)
    arrays = [slide.pyramid_as(colours)[0] for colours in ("raw", "srgb")]
    slide.close()
    for array in arrays:
        with pytest.raises(Exception, match="closed"):
            array[:10, :10]
