"""Where the frames of a DICOM file lie, so that each can be read on its own.

Compressed frames are items of a sequence (PS3.5, annex A.4). A table says where each begins: the basic one, whose
offsets end at 4 GB, or the extended one; without either the items are counted off. Frames that are not compressed
follow each other.

A table is looked through before anybody uses it: one whose offsets do not increase ends libdicom, and with it the
process, in a segmentation fault.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from napari_mmlnb.slides.backends.dicom_header import DicomHeader
from napari_mmlnb.slides.backends.file_bytes import BytesSource

_OFFSETS, _PIXELS = 0x7FE00001, 0x7FE00010
_ITEM = 0xFFFEE000
_ITEM_HEADER = 8
_UNDEFINED = 0xFFFFFFFF
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
_LONGEST_TABLE = 2**28
# Implicit types, deflated, big endian: none of them holds frames that anybody here reads.
_OTHER_ENCODINGS = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")
# How the extended table and the pixels begin: tag, type and two zeros.
_MARKS = (b"\xe0\x7f\x01\x00OV\0\0", b"\xe0\x7f\x10\x00OB\0\0", b"\xe0\x7f\x10\x00OW\0\0")


class FrameTableError(Exception):
    """The table of frames is damaged, or a frame is not where it should be."""


class FrameLayoutError(Exception):
    """The frames are in order, but cannot be told apart, or are of a kind that is not read by place."""


@dataclass(frozen=True)
class FrameTable:
    """Where the frames of a file lie, in the order in which they are stored.

    Parameters
    ----------
    starts, sizes : ndarray
        (n,) int64 each, bytes; of compressed frames with the headers of their items.
    encapsulated : bool
        Whether frames are items, which have headers.
    """

    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    encapsulated: bool

    @property
    def largest(self) -> int:
        """The frame with the most bytes: of compressed ones, the one that shows most."""
        return int(np.argmax(self.sizes))

    def read(self, source: BytesSource, index: int) -> bytes:
        """The bytes of a frame, without the headers of items.

        Raises
        ------
        TileReadError
            If they cannot be read.
        FrameTableError
            If there is something else.
        """
        data = source.read(int(self.starts[index]), int(self.sizes[index]))
        return _without_item_headers(data) if self.encapsulated else data


def read_frame_table(path: Path, header: DicomHeader) -> FrameTable:
    """The table of a file.

    Raises
    ------
    FrameTableError
        If it is damaged, or leads out of the file.
    FrameLayoutError
        If nobody can tell where a frame ends.
    OSError
        If the file cannot be read.
    """
    if header.syntax in _OTHER_ENCODINGS:
        raise FrameLayoutError("the elements are encoded in another way")
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if not 0 < header.frames <= size:
            raise FrameTableError("the file is too small for its frames")
        file.seek(header.end)
        table = _table(file, header.frames, header.frame_bytes)
    # A size is the way to the next start: above 0 only where offsets increase.
    inside = (table.starts >= 0) & (table.sizes > 0) & (table.starts + table.sizes <= size)
    if not inside.all():
        raise FrameTableError("the table leads nowhere")
    return table


def _table(file: BinaryIO, frames: int, frame_bytes: int) -> FrameTable:
    extended = np.empty(0, np.int64)
    while True:
        tag, length = _element(file)
        if tag == _PIXELS:
            break
        if tag > _PIXELS:
            raise FrameTableError("the frames cannot be found")
        if tag == _OFFSETS:
            extended = _numbers(file, length, "<u8")
        elif length == _UNDEFINED:
            _skip_to_frames(file)
        else:
            file.seek(length, 1)
    if length != _UNDEFINED:
        starts = file.tell() + np.arange(frames, dtype=np.int64) * frame_bytes
        return FrameTable(starts, np.full(frames, frame_bytes, np.int64), encapsulated=False)
    basic = _numbers(file, _item(file), "<u4")
    origin = file.tell()
    offsets = extended if len(extended) else basic
    if not len(offsets):
        return _counted_off(file, frames)
    if len(offsets) != frames:
        raise FrameTableError("the table has another length than the file has frames")
    starts = origin + offsets
    if starts[-1] < origin:
        raise FrameTableError("the table leads nowhere")
    return FrameTable(starts, np.append(np.diff(starts), _last_size(file, int(starts[-1]))), encapsulated=True)


def _last_size(file: BinaryIO, start: int) -> int:
    """Bytes of the last frame: of all items that are left."""
    file.seek(start)
    end = start
    while True:
        end += _ITEM_HEADER + _item(file)
        file.seek(end)
        if not _is_item(file.read(4)):
            return end - start
        file.seek(end)


def _counted_off(file: BinaryIO, frames: int) -> FrameTable:
    """The table of a file that has none: an item a frame."""
    starts, sizes = np.empty(frames, np.int64), np.empty(frames, np.int64)
    for index in range(frames):
        starts[index] = file.tell()
        length = _item(file)
        sizes[index] = _ITEM_HEADER + length
        file.seek(length, 1)
    if _is_item(file.read(4)):
        raise FrameLayoutError("there are more items than frames")
    return FrameTable(starts, sizes, encapsulated=True)


def _element(file: BinaryIO) -> tuple[int, int]:
    """Tag and length of the element that comes next, explicit VR, little endian; the file is then at its value."""
    head = file.read(8)
    if len(head) < 8:
        raise FrameTableError("the file ends before its pixels")
    group, element, kind, length = struct.unpack("<HH2sH", head)
    if kind in _LONG:
        (length,) = struct.unpack("<L", file.read(4).ljust(4, b"\0"))
    return group << 16 | element, length


def _skip_to_frames(file: BinaryIO) -> None:
    """From inside a sequence, whose length nobody stated, to the table of frames or to the pixels.

    Such sequences have an item a frame, hundreds of thousands of them. What follows begins with bytes that text and
    small numbers do not hold.
    """
    with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        found = [place for mark in _MARKS if (place := content.find(mark, file.tell())) >= 0]
    if not found:
        raise FrameTableError("the file ends before its pixels")
    file.seek(min(found))


def _is_item(head: bytes) -> bool:
    return len(head) == 4 and struct.unpack("<HH", head) == (_ITEM >> 16, _ITEM & 0xFFFF)


def _item(file: BinaryIO) -> int:
    """Length of the item that comes next; the file is then at its value."""
    head = file.read(_ITEM_HEADER)
    if not _is_item(head[:4]) or len(head) < _ITEM_HEADER:
        raise FrameTableError("there is no frame where one should be")
    return int.from_bytes(head[4:], "little")


def _numbers(file: BinaryIO, length: int, kind: str) -> npt.NDArray[np.int64]:
    if length > _LONGEST_TABLE:
        raise FrameTableError("the table is too long")
    data = file.read(length)
    if len(data) < length or length % np.dtype(kind).itemsize:
        raise FrameTableError("the table is cut short")
    return np.frombuffer(data, kind).astype(np.int64)


def _without_item_headers(data: bytes) -> bytes:
    """The fragments of a frame put together."""
    place, fragments = 0, []
    while place < len(data):
        end = place + _ITEM_HEADER + int.from_bytes(data[place + 4 : place + _ITEM_HEADER], "little")
        if not _is_item(data[place : place + 4]) or end > len(data):
            raise FrameTableError("there is no frame where one should be")
        fragments.append(data[place + _ITEM_HEADER : end])
        place = end
    return b"".join(fragments) if len(fragments) > 1 else fragments[0]
