"""Where everything of a sound TIFF lies, so that a chosen part of it can be damaged."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import tifffile

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_FORMATS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}


@dataclass(frozen=True)
class Tag:
    """An entry of a directory: where it lies, what it says it holds, and where that lies."""

    entry: int
    dtype: int
    count: int
    value: int

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return _SIZES[self.dtype] * self.count


@dataclass(frozen=True)
class Directory:
    """An image file directory."""

    start: int
    end: int
    next_at: int
    tags: dict[int, Tag]
    tiled: bool
    spans: tuple[tuple[int, int], ...]


class TiffLayout:
    """The directories of a TIFF and its stored tiles.

    Parameters
    ----------
    path : Path
        A sound TIFF.

    Attributes
    ----------
    directories : tuple of Directory
        SubIFDs follow the directory that names them.
    spans : tuple of (offset, count)
        The stored tiles (or strips) of the tiled directories.
    """

    def __init__(self, path: Path) -> None:
        with tifffile.TiffFile(path, _multifile=False) as tif:
            self.order = tif.byteorder
            self.big = tif.is_bigtiff
            pages = []
            for page in tif.pages:
                pages += [page.aspage(), *(sub.aspage() for sub in page.aspage().pages or ())]
            self.directories = tuple(self._directory(page) for page in pages)
        tiled = [directory for directory in self.directories if directory.tiled] or list(self.directories)
        self.spans = tuple(span for directory in tiled for span in directory.spans)

    def _directory(self, page: tifffile.TiffPage) -> Directory:
        head, entry, pointer = (8, 20, 8) if self.big else (2, 12, 4)
        next_at = page.offset + head + entry * len(page.tags)
        tags = {tag.code: Tag(tag.offset, int(tag.dtype), tag.count, tag.valueoffset) for tag in page.tags}
        spans = tuple(zip(page.dataoffsets, page.databytecounts, strict=True))
        return Directory(page.offset, next_at + pointer, next_at, tags, page.is_tiled, spans)

    def set(self, data: bytearray, tag: Tag, value: float, index: int = 0) -> None:
        """Write one value of a tag, cut to what its type can hold."""
        code = _FORMATS[tag.dtype]
        size = _SIZES[tag.dtype]
        if code in "fd":
            packed = struct.pack(self.order + code, value)
        else:
            packed = (int(value) & (256**size - 1)).to_bytes(size, "little" if self.order == "<" else "big")
        at = tag.value + index * size
        data[at : at + size] = packed

    def set_count(self, data: bytearray, tag: Tag, count: int) -> None:
        """Write how many values a tag says it holds."""
        size = 8 if self.big else 4
        data[tag.entry + 4 : tag.entry + 4 + size] = struct.pack(self.order + ("Q" if self.big else "I"), count)

    def set_head(self, data: bytearray, tag: Tag, *, code: int | None = None, dtype: int | None = None) -> None:
        """Write a tag's code or type."""
        if code is not None:
            data[tag.entry : tag.entry + 2] = struct.pack(self.order + "H", code)
        if dtype is not None:
            data[tag.entry + 2 : tag.entry + 4] = struct.pack(self.order + "H", dtype)

    def set_pointer(self, data: bytearray, at: int, offset: int) -> None:
        """Write an offset to a directory."""
        packed = struct.pack(self.order + ("Q" if self.big else "I"), offset)
        data[at : at + len(packed)] = packed

    def set_text(self, data: bytearray, tag: Tag, text: bytes) -> None:
        """Have a tag hold another text, at the end of the file."""
        at = len(data) + len(data) % 2
        data.extend(bytes(at - len(data)) + text + b"\0")
        self.set_count(data, tag, len(text) + 1)
        self.set_pointer(data, tag.entry + (12 if self.big else 8), at)
