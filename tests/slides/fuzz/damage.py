"""What can happen to a slide's bytes.

A mutator takes the bytes of a sound file and gives damaged ones; the same seed gives the same damage. Each says what it
hits, for that decides what a reader can be held to:

- `Hits.CUT`: bytes are missing at the end and nothing else is changed. Whatever can still be read must be right.
- `Hits.PIXELS`: compressed pixels are changed. With a checksum in the stream every change must be noticed; without one
  (JPEG, LZW, raw) some changes give other pixels that no decoder can know to be wrong.
- `Hits.STRUCTURE`: what the file says of itself is changed. It may then say, consistently, something else.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.slides.fuzz.tiff_layout import Directory, Tag, TiffLayout

WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, DESCRIPTION = 256, 257, 258, 259, 262, 270
SAMPLES, X_RESOLUTION, Y_RESOLUTION, PLANAR, RESOLUTION_UNIT = 277, 282, 283, 284, 296
TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_COUNTS, SUB_IFDS, TABLES = 322, 323, 324, 325, 330, 347


class Hits(StrEnum):
    """What is damaged."""

    CUT = "cut"
    PIXELS = "pixels"
    STRUCTURE = "structure"


class DoesNotApplyError(Exception):
    """The file has nothing that this could damage."""


ByteMutator = Callable[[bytearray, random.Random], None]
TiffMutator = Callable[[bytearray, TiffLayout, random.Random], None]


@dataclass(frozen=True)
class Damage:
    """A kind of damage to a TIFF.

    Parameters
    ----------
    name : str
        What is done.
    hits : Hits
        What it hits.
    do : callable
        Does it, in place.
    """

    name: str
    hits: Hits
    do: TiffMutator


TIFF_DAMAGES: list[Damage] = []
BYTE_DAMAGES: dict[str, tuple[Hits, ByteMutator]] = {}


def _tiff(hits: Hits) -> Callable[[TiffMutator], TiffMutator]:
    def register(do: TiffMutator) -> TiffMutator:
        TIFF_DAMAGES.append(Damage(do.__name__, hits, do))
        return do

    return register


def _levels(layout: TiffLayout) -> list[Directory]:
    return [directory for directory in layout.directories if directory.tiled] or list(layout.directories)


def _tag(directory: Directory, code: int) -> Tag:
    try:
        return directory.tags[code]
    except KeyError:
        raise DoesNotApplyError(code) from None


def _any_level(layout: TiffLayout, rng: random.Random, code: int) -> Tag:
    return _tag(rng.choice(_levels(layout)), code)


def _value(data: bytearray, layout: TiffLayout, tag: Tag, index: int = 0) -> int:
    size = tag.size // tag.count
    order = "little" if layout.order == "<" else "big"
    return int.from_bytes(data[tag.value + index * size : tag.value + (index + 1) * size], order)


# Missing bytes.


@_tiff(Hits.CUT)
def cut_anywhere(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    del data[rng.randrange(1, len(data)) :]


@_tiff(Hits.CUT)
def cut_late(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    del data[rng.randrange(len(data) * 3 // 4, len(data)) :]


@_tiff(Hits.CUT)
def cut_in_the_header(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    del data[rng.randrange(0, 16) :]


@_tiff(Hits.CUT)
def cut_in_a_directory(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    directory = rng.choice(layout.directories)
    del data[rng.randrange(directory.start, directory.end) :]


@_tiff(Hits.CUT)
def cut_in_a_tile(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    offset, count = rng.choice(layout.spans)
    del data[rng.randrange(offset, offset + count) :]


@_tiff(Hits.CUT)
def cut_after_a_tile(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    offset, count = rng.choice(layout.spans)
    del data[offset + count :]


@_tiff(Hits.CUT)
def cut_the_last_bytes(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    del data[-rng.randrange(1, 4) :]


# Changed pixels.


def _span(layout: TiffLayout, rng: random.Random) -> tuple[int, int]:
    spans = [span for span in layout.spans if span[1] > 64]
    if not spans:
        raise DoesNotApplyError("tiles")
    return rng.choice(spans)


def _flip(data: bytearray, at: int, rng: random.Random) -> None:
    data[at] ^= 1 << rng.randrange(8)


@_tiff(Hits.PIXELS)
def flip_a_bit(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    offset, count = _span(layout, rng)
    _flip(data, rng.randrange(offset, offset + count), rng)


@_tiff(Hits.PIXELS)
def flip_a_bit_in_every_tile(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    for offset, count in layout.spans:
        _flip(data, rng.randrange(offset, offset + count), rng)


@_tiff(Hits.PIXELS)
def flip_many_bits(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    offset, count = _span(layout, rng)
    for _ in range(40):
        _flip(data, rng.randrange(offset, offset + count), rng)


@_tiff(Hits.PIXELS)
def flip_at_the_beginning_of_a_tile(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    offset, count = _span(layout, rng)
    for _ in range(3):
        _flip(data, offset + rng.randrange(min(count, 48)), rng)


@_tiff(Hits.PIXELS)
def zero_a_block(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    offset, count = _span(layout, rng)
    start = rng.randrange(offset, offset + count - 32)
    end = min(start + 512, offset + count)
    data[start:end] = bytes(end - start)


@_tiff(Hits.PIXELS)
def fill_a_tile_with_ones(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    offset, count = _span(layout, rng)
    data[offset : offset + count] = b"\xff" * count


@_tiff(Hits.PIXELS)
def swap_blocks(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    """Two pieces of two tiles change places, as two sectors of a disk."""
    (a, n), (b, m) = _span(layout, rng), _span(layout, rng)
    size = min(n, m, 256) // 2
    a += rng.randrange(n - size)
    b += rng.randrange(m - size)
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]


# What the file says of itself.


@_tiff(Hits.STRUCTURE)
def flip_in_the_header(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    _flip(data, rng.randrange(16 if layout.big else 8), rng)


@_tiff(Hits.STRUCTURE)
def flip_in_a_directory(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    directory = rng.choice(layout.directories)
    _flip(data, rng.randrange(directory.start, directory.end), rng)


@_tiff(Hits.STRUCTURE)
def flip_often_in_a_directory(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    directory = rng.choice(layout.directories)
    for _ in range(8):
        _flip(data, rng.randrange(directory.start, directory.end), rng)


@_tiff(Hits.STRUCTURE)
def zero_part_of_a_directory(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    directory = rng.choice(layout.directories)
    start = rng.randrange(directory.start, directory.end - 8)
    end = min(start + rng.randrange(8, 64), directory.end)
    data[start:end] = bytes(end - start)


@_tiff(Hits.STRUCTURE)
def a_level_wider_than_it_is(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag = _tag(rng.choice(_levels(layout)[1:]), WIDTH)
    layout.set(data, tag, _value(data, layout, tag) * rng.choice((1.3, 2, 50)))


@_tiff(Hits.STRUCTURE)
def a_level_larger_than_it_is(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    directory, factor = rng.choice(_levels(layout)[1:]), rng.choice((1.5, 4, 1000))
    for tag in (_tag(directory, WIDTH), _tag(directory, LENGTH)):
        layout.set(data, tag, _value(data, layout, tag) * factor)


@_tiff(Hits.STRUCTURE)
def a_level_smaller_than_it_is(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    directory, factor = rng.choice(_levels(layout)[1:]), rng.choice((0.2, 0.6))
    for tag in (_tag(directory, WIDTH), _tag(directory, LENGTH)):
        layout.set(data, tag, _value(data, layout, tag) * factor)


@_tiff(Hits.STRUCTURE)
def level_0_larger_than_it_is(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag = _tag(_levels(layout)[0], rng.choice((WIDTH, LENGTH)))
    layout.set(data, tag, _value(data, layout, tag) * rng.choice((1.2, 3, 1e5)))


@_tiff(Hits.STRUCTURE)
def level_0_smaller_than_it_is(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag = _tag(_levels(layout)[0], rng.choice((WIDTH, LENGTH)))
    layout.set(data, tag, _value(data, layout, tag) * rng.choice((0.0, 0.3, 0.7)))


@_tiff(Hits.STRUCTURE)
def a_tile_of_another_size(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag = _any_level(layout, rng, rng.choice((TILE_WIDTH, TILE_LENGTH)))
    layout.set(data, tag, rng.choice((0, 1, 16, 64, 136, 256, 4096, 65520)))


@_tiff(Hits.STRUCTURE)
def tiles_of_a_gigapixel(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    directory = rng.choice(_levels(layout))
    for code in (TILE_WIDTH, TILE_LENGTH):
        layout.set(data, _tag(directory, code), 2**15 + 2**14)


@_tiff(Hits.STRUCTURE)
def a_picture_of_one_huge_tile(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    directory = rng.choice(_levels(layout))
    for code in (WIDTH, LENGTH, TILE_WIDTH, TILE_LENGTH):
        layout.set(data, _tag(directory, code), 65520)


@_tiff(Hits.STRUCTURE)
def an_offset_beyond_the_file(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag = _any_level(layout, rng, TILE_OFFSETS)
    layout.set(data, tag, rng.choice((len(data), len(data) * 3, 2**32 - 1, 2**62)), rng.randrange(tag.count))


@_tiff(Hits.STRUCTURE)
def an_offset_into_something_else(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag = _any_level(layout, rng, TILE_OFFSETS)
    layout.set(data, tag, rng.randrange(len(data)), rng.randrange(tag.count))


@_tiff(Hits.STRUCTURE)
def all_offsets_beyond_the_file(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag = _any_level(layout, rng, TILE_OFFSETS)
    for index in range(tag.count):
        layout.set(data, tag, len(data) + 1000 * index, index)


@_tiff(Hits.STRUCTURE)
def a_byte_count_that_is_huge(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag = _any_level(layout, rng, TILE_COUNTS)
    layout.set(data, tag, rng.choice((2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63)), rng.randrange(tag.count))


@_tiff(Hits.STRUCTURE)
def a_byte_count_too_small(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag = _any_level(layout, rng, TILE_COUNTS)
    index = rng.randrange(tag.count)
    layout.set(data, tag, _value(data, layout, tag, index) * rng.random(), index)


@_tiff(Hits.STRUCTURE)
def a_byte_count_of_zero(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag = _any_level(layout, rng, TILE_COUNTS)
    layout.set(data, tag, 0, rng.randrange(tag.count))


@_tiff(Hits.STRUCTURE)
def all_byte_counts_zero(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag = _any_level(layout, rng, TILE_COUNTS)
    data[tag.value : tag.value + tag.size] = bytes(tag.size)


@_tiff(Hits.STRUCTURE)
def a_tile_table_of_zeros(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    directory = rng.choice(_levels(layout))
    for code in (TILE_OFFSETS, TILE_COUNTS):
        tag = _tag(directory, code)
        data[tag.value : tag.value + tag.size] = bytes(tag.size)


@_tiff(Hits.STRUCTURE)
def a_tile_table_of_another_length(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag = _any_level(layout, rng, rng.choice((TILE_OFFSETS, TILE_COUNTS)))
    layout.set_count(data, tag, rng.choice((0, 1, tag.count - 1, tag.count + 1, 2**20, 2**31 - 1)))


@_tiff(Hits.STRUCTURE)
def another_photometric(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    layout.set(data, _any_level(layout, rng, PHOTOMETRIC), rng.choice((0, 1, 2, 3, 4, 5, 6, 8, 32803)))


@_tiff(Hits.STRUCTURE)
def another_number_of_samples(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    layout.set(data, _any_level(layout, rng, SAMPLES), rng.choice((0, 1, 2, 4, 5, 65535)))


@_tiff(Hits.STRUCTURE)
def another_number_of_bits(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag = _any_level(layout, rng, BITS)
    for index in range(tag.count):
        layout.set(data, tag, rng.choice((0, 1, 4, 7, 12, 16, 32, 64)), index)


@_tiff(Hits.STRUCTURE)
def another_codec(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    codecs = (0, 1, 2, 4, 5, 6, 7, 8, 32773, 33003, 33005, 34712, 34887, 34925, 50000, 50001, 65535)
    layout.set(data, _any_level(layout, rng, COMPRESSION), rng.choice(codecs))


@_tiff(Hits.STRUCTURE)
def another_planar_configuration(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    layout.set(data, _any_level(layout, rng, PLANAR), rng.choice((0, 2, 7)))


@_tiff(Hits.STRUCTURE)
def no_jpeg_tables(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    layout.set_head(data, _any_level(layout, rng, TABLES), code=65001)


@_tiff(Hits.STRUCTURE)
def damaged_jpeg_tables(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag = _any_level(layout, rng, TABLES)
    for _ in range(rng.choice((1, 20))):
        _flip(data, rng.randrange(tag.value, tag.value + tag.size), rng)


@_tiff(Hits.STRUCTURE)
def a_loop_of_directories(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    directory = rng.choice(layout.directories)
    layout.set_pointer(data, directory.next_at, rng.choice(layout.directories).start)


@_tiff(Hits.STRUCTURE)
def a_directory_after_itself(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    directory = rng.choice(layout.directories)
    layout.set_pointer(data, directory.next_at, directory.start)


@_tiff(Hits.STRUCTURE)
def a_directory_anywhere(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    directory = rng.choice(layout.directories)
    layout.set_pointer(data, directory.next_at, rng.randrange(len(data) * 2))


@_tiff(Hits.STRUCTURE)
def a_directory_below_itself(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    first = layout.directories[0]
    tag = _tag(first, SUB_IFDS)
    for index in range(tag.count):
        layout.set(data, tag, first.start, index)


@_tiff(Hits.STRUCTURE)
def a_tag_with_countless_values(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag = rng.choice(list(rng.choice(layout.directories).tags.values()))
    layout.set_count(data, tag, rng.choice((0, 2**16, 2**28, 2**31 - 1, 2**32 - 1)))


@_tiff(Hits.STRUCTURE)
def a_tag_of_another_type(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag = rng.choice(list(rng.choice(layout.directories).tags.values()))
    layout.set_head(data, tag, dtype=rng.choice((0, 1, 2, 5, 7, 11, 12, 16, 99)))


@_tiff(Hits.STRUCTURE)
def a_number_that_is_huge(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tags = [t for d in layout.directories for t in d.tags.values() if t.dtype in (3, 4, 16) and t.count == 1]
    layout.set(data, rng.choice(tags), rng.choice((2**16 - 1, 2**31 - 1, 2**32 - 1, 2**64 - 1)))


@_tiff(Hits.STRUCTURE)
def another_resolution(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    """Zero, beyond all measure, divided by zero, or in another unit."""
    first = layout.directories[0]
    if rng.random() < 0.4:
        layout.set(data, _tag(first, RESOLUTION_UNIT), rng.choice((0, 1, 2, 4, 5, 77)))
        return
    for code in (X_RESOLUTION, Y_RESOLUTION):
        at = _tag(first, code).value
        numerator, denominator = rng.choice(((0, 1), (0, 0), (1, 0), (72, 1), (2**32 - 1, 1), (1, 2**32 - 1)))
        data[at : at + 8] = b"".join(
            number.to_bytes(4, "little" if layout.order == "<" else "big") for number in (numerator, denominator)
        )


# Texts: XML bombs and scales that cannot be.


def _described(data: bytearray, layout: TiffLayout) -> tuple[Tag, bytes]:
    tag = _tag(layout.directories[0], DESCRIPTION)
    return tag, bytes(data[tag.value : tag.value + tag.count - 1])


def billion_laughs(xml: bytes) -> bytes:
    """A header whose entities would unfold to gigabytes."""
    entities = b'<!ENTITY a0 "lol">' + b"".join(
        b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 12)
    )
    body = xml.split(b"?>", 1)[-1].replace(b"<Image ", b"<Description>&a11;</Description><Image ", 1)
    return b'<?xml version="1.0"?><!DOCTYPE OME [' + entities + b"]>" + body


@_tiff(Hits.STRUCTURE)
def an_xml_bomb(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag, text = _described(data, layout)
    if b"<OME" not in text:
        raise DoesNotApplyError("OME")
    layout.set_text(data, tag, billion_laughs(text))


@_tiff(Hits.STRUCTURE)
def an_xml_bomb_of_one_long_entity(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag, text = _described(data, layout)
    if b"<OME" not in text:
        raise DoesNotApplyError("OME")
    body = text.split(b"?>", 1)[-1].replace(
        b"<Image ", b"<Description>" + b"&a;" * 30_000 + b"</Description><Image ", 1
    )
    layout.set_text(data, tag, b'<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY a "' + b"x" * 60_000 + b'">]>' + body)


@_tiff(Hits.STRUCTURE)
def another_header_text(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag, text = _described(data, layout)
    start = rng.randrange(len(text))
    damaged = rng.choice(
        (
            text[:start],
            text[:start] + rng.randbytes(40) + text[start:],
            text[:start] + text[start + 30 :],
            rng.randbytes(len(text)),
            text * 50,
            b"",
        )
    )
    layout.set_text(data, tag, damaged)


@_tiff(Hits.STRUCTURE)
def a_scale_that_cannot_be(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag, text = _described(data, layout)
    value = rng.choice((b"0", b"-0.5", b"nan", b"inf", b"1e-300", b"1e300", b"0,5", b"", b"499", b"0x1F"))
    changed = re.sub(rb'(MPP = |PhysicalSizeX=")[0-9.]+', rb"\g<1>" + value, text)
    if changed == text:
        raise DoesNotApplyError("a scale")
    layout.set_text(data, tag, changed)


@_tiff(Hits.STRUCTURE)
def another_unit(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    tag, text = _described(data, layout)
    unit = rng.choice(("nm", "mm", "km", "pixel", "furlong", "", "µ")).encode()
    changed = text.replace(b'PhysicalSizeX="', b'PhysicalSizeXUnit="' + unit + b'" PhysicalSizeX="')
    if changed == text:
        raise DoesNotApplyError("a unit")
    layout.set_text(data, tag, changed)


@_tiff(Hits.STRUCTURE)
def more_levels_than_there_are(data: bytearray, layout: TiffLayout, rng: random.Random) -> None:
    """An OME header that speaks of sizes, planes and files that do not exist."""
    tag, text = _described(data, layout)
    key, value = rng.choice(
        ((b"SizeX", b"4000000"), (b"SizeZ", b"1000000"), (b"SizeC", b"0"), (b"SizeT", b"-1"), (b"SizeY", b"1e9"))
    )
    changed = re.sub(key + rb'="\d+"', key + b'="' + value + b'"', text)
    if changed == text:
        raise DoesNotApplyError("sizes")
    layout.set_text(data, tag, changed)


# Files of any format.


def _bytes(hits: Hits) -> Callable[[ByteMutator], ByteMutator]:
    def register(do: ByteMutator) -> ByteMutator:
        BYTE_DAMAGES[do.__name__] = (hits, do)
        return do

    return register


@_bytes(Hits.CUT)
def cut_a_file_anywhere(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(1, len(data)) :]


@_bytes(Hits.CUT)
def cut_a_file_early(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(1, min(len(data), 600)) :]


@_bytes(Hits.CUT)
def cut_the_last_bytes_of_a_file(data: bytearray, rng: random.Random) -> None:
    del data[-rng.randrange(1, 4) :]


@_bytes(Hits.CUT)
def empty_a_file(data: bytearray, rng: random.Random) -> None:
    data.clear()


@_bytes(Hits.STRUCTURE)
def flip_early_in_a_file(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 6))):
        _flip(data, rng.randrange(min(len(data), 1500)), rng)


@_bytes(Hits.STRUCTURE)
def flip_anywhere_in_a_file(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 30))):
        _flip(data, rng.randrange(len(data)), rng)


@_bytes(Hits.STRUCTURE)
def zero_a_block_of_a_file(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    end = min(start + 512, len(data))
    data[start:end] = bytes(end - start)


@_bytes(Hits.STRUCTURE)
def swap_blocks_of_a_file(data: bytearray, rng: random.Random) -> None:
    size = min(512, len(data) // 4)
    a, b = sorted(rng.sample(range(0, len(data) - size), 2))
    b = max(b, a + size) if a + 2 * size <= len(data) else b
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]


@_bytes(Hits.STRUCTURE)
def insert_into_a_file(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at:at] = rng.randbytes(rng.choice((1, 700)))


@_bytes(Hits.STRUCTURE)
def fill_a_file_with_zeros(data: bytearray, rng: random.Random) -> None:
    data[:] = bytes(len(data))
