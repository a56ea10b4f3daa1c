"""OME-Zarr 0.4 and 0.5 slides: a folder, a zip file (.ozx, .zarr.zip) or a URL, through zarr.

A chunk that was never stored is the array's fill value, as the specification has it; one that is there and cannot be
decoded, or cannot be fetched, is an unreadable tile. A tile is a chunk, where chunks are of a useful size; tiny ones
are put together, and of huge ones the last few are kept decoded, for the tiles that are cut from them.
"""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mmlnb.errors import RequestError, SlideFormatError, SlideReadError, TileReadError
from napari_mmlnb.slides.backends.base import RGB, USUAL_TILE_PX, LevelShape, SlideMetadata, Suits
from napari_mmlnb.slides.backends.remote_error import RemoteError
from napari_mmlnb.slides.location import Location, RemoteUrl
from napari_mmlnb.slides.tile_cache import TileCache

if TYPE_CHECKING:
    from zarr.abc.store import Store

    from napari_mmlnb.slides.backends.ome_zarr_image import OmeZarrImage, OmeZarrLevel

_DOCUMENTS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
_ZIPS = (".ozx", ".zip")

_TILE_SIDES = (128, 2048)
_CUT_PX = 1024
_LARGEST_BLOCK = 192 * 2**20
_KEPT_BLOCKS = 384 * 2**20


class OmeZarrBackend:
    """Opens RGB pictures of 8 bits, channels first or last, with their pyramid."""

    name = "ome-zarr"
    opens = "OME-Zarr 0.4 and 0.5 (RGB, 8 bit; a folder, .ozx or .zarr.zip, or a URL that ends with .zarr)"
    licence = "MIT (zarr)"
    where = (Path, RemoteUrl)

    def suits(self, location: Location) -> Suits:
        """Well where there is a zarr hierarchy; of a URL its name must say so."""
        if isinstance(location, RemoteUrl):
            return Suits.WELL if location.suffix.lower() == ".zarr" else Suits.NOT
        found = location.is_dir() and _has_documents(location)
        return Suits.WELL if found or _root_in_zip(location) is not None else Suits.NOT

    def open(self, location: Location) -> OmeZarrReader:
        """Open it.

        Raises
        ------
        SlideFormatError
            If there is no zarr hierarchy.
        SlideKindError
            If it is in order but no RGB slide: fluorescence, a stack, labels, a plate.
        SlideReadError
            If it is no OME-Zarr, of another version, or damaged; or if its server does not answer.
        SlideNotFoundError, MissingExtraError, RequestError
            Nothing at the URL; no client for it; a URL with a signature, which holds for one file only.
        """
        with open_store(location) as (store, root):
            from napari_mmlnb.slides.backends.ome_zarr_image import find_image  # noqa: PLC0415 (see `open_store`)

            return OmeZarrReader(location, store, find_image(location, store, root))


@contextmanager
def open_store(location: Location) -> Iterator[tuple[Store, str]]:
    """The store of an OME-Zarr, and the path of its root group in it, for opening the slide within the context.

    It outlives the context, to be closed by whoever uses it, but for an error within.

    Raises
    ------
    SlideFormatError, SlideReadError, SlideNotFoundError, MissingExtraError, RequestError
        As `OmeZarrBackend.open` does.
    """
    # zarr costs a second, which other formats should not.
    if isinstance(location, RemoteUrl):
        from napari_mmlnb.slides.backends.ome_zarr_store import open_remote_store  # noqa: PLC0415

        if "?" in location.url:
            problem = "A URL with a query names one file, and an OME-Zarr is many."
            raise RequestError(problem, "Give a URL without one.")
        with open_remote_store(location) as remote:
            yield remote, ""
        return
    from zarr.storage import LocalStore, ZipStore  # noqa: PLC0415

    root = "" if location.is_dir() and _has_documents(location) else _root_in_zip(location)
    if root is None:
        raise SlideFormatError(location, OmeZarrBackend.opens)
    from napari_mmlnb.slides.backends.ome_zarr_whole import WholeChunkStore  # noqa: PLC0415

    plain = LocalStore(location, read_only=True) if location.is_dir() else ZipStore(location, mode="r")
    store = WholeChunkStore(plain)
    try:
        yield store, root
    except BaseException:
        store.close()
        raise


def _has_documents(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _DOCUMENTS)


def _root_in_zip(path: Path) -> str | None:
    """The folder of the root group in a zip file: its own root, or the one folder in that; None where there is none."""
    if path.suffix.lower() not in _ZIPS or not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, NotImplementedError):
        return None
    roots = {name.rpartition("/")[0] for name in names if name.rpartition("/")[2] in _DOCUMENTS}
    found = min(roots, key=lambda root: (root.count("/"), root), default=None)
    return found if found is not None and "/" not in found else None


class OmeZarrReader:
    """An open OME-Zarr. Reads are safe from several threads.

    Parameters
    ----------
    location : Path or RemoteUrl
        The slide, for error messages.
    store : zarr.abc.store.Store
        Where it lies; closed with this.
    image : OmeZarrImage
        Its levels.
    """

    def __init__(self, location: Location, store: Store, image: OmeZarrImage) -> None:
        self._location = location
        self._store = store
        self._levels = image.levels
        self._metadata = _metadata(image)
        self._blocks = TileCache(_KEPT_BLOCKS)
        self._lock = threading.Lock()
        self._closed = False
        self._block_shapes = [
            tuple(_block_side(level.chunk(axis), tile) for axis, tile in (("y", s.tile_height), ("x", s.tile_width)))
            for level, s in zip(self._levels, self._metadata.levels, strict=True)
        ]
        if any(rows * columns * 3 > _LARGEST_BLOCK for rows, columns in self._block_shapes):
            chunk = f"{image.levels[0].chunk('x')} x {image.levels[0].chunk('y')}"
            raise SlideReadError(
                location, f"The chunks of {location} are too large to view ({chunk} pixels).", "Write smaller ones."
            )

    @property
    def metadata(self) -> SlideMetadata:
        """What the documents say."""
        return self._metadata

    def reductions(self, level: int) -> tuple[int, ...]:  # noqa: ARG002 (the protocol's)
        """Chunks are decoded at full size only."""
        return (1,)

    def read_tile(self, level: int, row: int, column: int, reduce: int = 1, out: RGB | None = None) -> RGB:  # noqa: ARG002
        """One tile, (tile height, tile width, 3) uint8; the array's fill value where no chunk was stored."""
        if reduce != 1:
            raise ValueError(f"zarr cannot decode at 1/{reduce}")
        if self._closed:
            raise SlideReadError(self._location, "The slide is closed.", "Open it again.")
        shape = self._metadata.levels[level]
        top, left = row * shape.tile_height, column * shape.tile_width
        height, width = min(shape.tile_height, shape.height - top), min(shape.tile_width, shape.width - left)
        rows, columns = self._block_shapes[level]
        if (rows, columns) == (shape.tile_height, shape.tile_width):
            pixels = self._read(level, top, left, height, width)
        else:
            pixels = np.empty((height, width, 3), np.uint8)
            for y in range(top // rows, -(-(top + height) // rows)):
                for x in range(left // columns, -(-(left + width) // columns)):
                    self._paste(pixels, (top, left), self._block(level, y, x), (y * rows, x * columns))
        if pixels.shape[:2] == (shape.tile_height, shape.tile_width):
            return pixels
        tile = np.full((shape.tile_height, shape.tile_width, 3), 255, np.uint8)
        tile[:height, :width] = pixels
        return tile

    def icc_profile(self) -> None:
        """OME-Zarr has no place for a colour profile."""
        return

    def associated_image(self, name: str) -> RGB:
        """There is none.

        Raises
        ------
        SlideReadError
            Always.
        """
        raise SlideReadError(self._location, f"The slide has no associated image called {name!r}.")

    def close(self) -> None:
        """Let go of the store. Safe to call twice."""
        self._closed = True
        self._blocks.clear()
        self._store.close()

    def _block(self, level: int, row: int, column: int) -> RGB:
        """Huge chunks, decoded one at a time and kept while there is room."""
        key = (level, row, column)
        with self._lock:
            block = self._blocks.get(key)
            if block is None:
                rows, columns = self._block_shapes[level]
                shape = self._metadata.levels[level]
                top, left = row * rows, column * columns
                size = (min(rows, shape.height - top), min(columns, shape.width - left))
                block = self._read(level, top, left, *size)
                self._blocks.put(key, block)
            return block

    def _read(self, level: int, top: int, left: int, height: int, width: int) -> RGB:
        try:
            pixels: RGB = self._levels[level].read(slice(top, top + height), slice(left, left + width))
        except Exception as error:  # every codec and store has its own error type
            if isinstance(error, RemoteError):
                raise TileReadError(self._location, f"A tile of {self._location} {error.reason}.") from None
            raise TileReadError(self._location, "A tile of the slide cannot be decoded.") from error
        if pixels.shape != (height, width, 3):
            raise TileReadError(self._location, "A tile of the slide has the wrong size.")
        return pixels

    @staticmethod
    def _paste(out: RGB, at: tuple[int, int], block: RGB, block_at: tuple[int, int]) -> None:
        """Copy what a block shares with a tile; both corners in pixels of the level."""
        to, of = [], []
        for axis in (0, 1):
            start = max(at[axis], block_at[axis])
            stop = min(at[axis] + out.shape[axis], block_at[axis] + block.shape[axis])
            to.append(slice(start - at[axis], stop - at[axis]))
            of.append(slice(start - block_at[axis], stop - block_at[axis]))
        out[tuple(to)] = block[tuple(of)]


def tile_side(chunk: int) -> int:
    """Pixels of a tile along an axis, by those of a chunk: the same, several tiny ones, or a part of a huge one."""
    if chunk < _TILE_SIDES[0]:
        return chunk * max(1, round(USUAL_TILE_PX / chunk))
    if chunk > _TILE_SIDES[1]:
        return _CUT_PX
    return chunk


def _block_side(chunk: int, tile: int) -> int:
    """Pixels that are decoded at once along an axis: a whole chunk, where a tile is a part of it."""
    return chunk if chunk > tile else tile


def _metadata(image: OmeZarrImage) -> SlideMetadata:
    first = image.levels[0]
    height, width = first.length("y"), first.length("x")
    return SlideMetadata(
        levels=tuple(_shape(level, height, width) for level in image.levels),
        mpp=image.mpp,
        mpp_source="ome-zarr.scale" if image.mpp is not None else "",
        codec=_codec(first.array),
        tile_px=(first.chunk("y"), first.chunk("x")),
        vendor="ome-zarr",
        properties={"ome-zarr.version": image.version, "ome-zarr.axes": first.axes},
    )


def _shape(level: OmeZarrLevel, height: int, width: int) -> LevelShape:
    h, w = level.length("y"), level.length("x")
    return LevelShape(h, w, height / h, width / w, tile_side(level.chunk("y")), tile_side(level.chunk("x")))


def _codec(array: Any) -> str:
    """How chunks are compressed."""
    names = []
    for codec in array.compressors:
        inner = getattr(codec, "cname", None)
        own = getattr(codec, "codec_id", None) or type(codec).__name__.removesuffix("Codec").lower()
        names.append(f"{own} {getattr(inner, 'value', inner)}" if inner else str(own))
    return ", ".join(names) or "uncompressed"
