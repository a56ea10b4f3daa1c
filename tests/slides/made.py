"""Small slides with known content, for the tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt
import tifffile
from scipy import sparse

from napari_mmlnb.errors import SlideReadError, TileReadError
from napari_mmlnb.geometry import Mpp
from napari_mmlnb.slides.backends.base import LevelShape, SlideMetadata
from napari_mmlnb.slides.slide import Slide
from napari_mmlnb.slides.tile_cache import DEFAULT_BYTES

RGB = npt.NDArray[np.uint8]


def tissue_picture(height: int, width: int, seed: int = 0, grain_px: float = 4) -> RGB:
    """Glass with a round piece of pink and violet tissue in the middle, its diameter 0.6 of the shorter side.

    With a grain of 4 px it is as soft as a slide out of focus.
    """
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 243.0)
    rows, columns = np.indices((height, width))
    inside = np.hypot(rows - height / 2, columns - width / 2) < 0.3 * min(height, width)
    grain = cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), grain_px)
    share = np.clip(0.5 + grain / grain.std() / 4, 0, 1)[..., None]
    picture[inside] = (share * (226, 168, 205) + (1 - share) * (120, 80, 160))[inside]
    picture += rng.normal(0, 1.5, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def area_level(picture: RGB, height: int, width: int) -> RGB:
    """The picture at another size, each pixel the mean of the exact area that it covers."""
    rows = _weights(height, picture.shape[0]) @ picture.astype(np.float64).reshape(picture.shape[0], -1)
    turned = rows.reshape(height, -1, 3).transpose(1, 0, 2).reshape(picture.shape[1], -1)
    out = _weights(width, picture.shape[1]) @ turned
    return np.rint(out.reshape(width, height, 3).transpose(1, 0, 2)).astype(np.uint8)


def _weights(out: int, size: int) -> sparse.csr_array:
    """Share of each input pixel in each output pixel, (out, size)."""
    step = size / out
    entries = []
    for index in range(out):
        low, high = index * step, (index + 1) * step
        for pixel in range(int(low), min(int(np.ceil(high)), size)):
            entries.append((index, pixel, (min(high, pixel + 1) - max(low, pixel)) / step))
    rows, columns, weights = zip(*entries, strict=True)
    return sparse.csr_array((weights, (rows, columns)), shape=(out, size))


def write_tiff(
    path: Path,
    *,
    picture: RGB | None = None,
    downsamples: Sequence[float] = (),
    mpp: tuple[float, float] | None = (0.5, 0.5),
    compression: str | None = "deflate",
    photometric: str = "ycbcr",
    subifds: bool = False,
    ome: bool = False,
    tile: int = 256,
    icc: bytes | None = None,
) -> Path:
    """Write a tiled TIFF.

    Parameters
    ----------
    path : Path
        Where to.
    picture : ndarray
        Level 0; random noise of 700 x 600 px by default.
    downsamples : sequence of float
        Of the further levels, nominal; their sizes are rounded to whole pixels.
    mpp : (x, y) or None
        Written as resolution tags in centimetres (OME: as PhysicalSize).
    compression : str
        As tifffile names it.
    photometric : str
        What a JPEG holds: "ycbcr" or "rgb".
    subifds : bool
        Put the levels into SubIFDs instead of pages.
    ome : bool
        Write OME-XML.
    tile : int
        Side of a tile, pixels.
    icc : bytes
        Colour profile of level 0.
    """
    if picture is None:
        picture = np.random.default_rng(0).integers(0, 256, (600, 700, 3), dtype=np.uint8)
    height, width = picture.shape[:2]
    options: dict[str, object] = {"tile": (tile, tile), "photometric": "rgb", "compression": compression}
    if compression == "jpeg":
        # tifffile stores RGB as YCbCr unless told to leave it.
        options["compressionargs"] = {"level": 95} | ({"outcolorspace": "RGB"} if photometric == "rgb" else {})
    metadata: dict[str, object] | None = None
    if ome:
        metadata = {"axes": "YXS"}
        if mpp is not None:
            metadata |= {"PhysicalSizeX": mpp[0], "PhysicalSizeY": mpp[1]}
    elif mpp is not None:
        options |= {"resolution": (1e4 / mpp[0], 1e4 / mpp[1]), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path, ome=ome) as tif:
        levels_below = len(downsamples) if subifds or ome else None
        tif.write(picture, metadata=metadata, subifds=levels_below, iccprofile=icc, **options)
        for factor in downsamples:
            level = area_level(picture, round(height / factor), round(width / factor))
            tif.write(level, subfiletype=1, metadata=None, **{k: v for k, v in options.items() if k[:3] != "res"})
    return path


def unmarked_rgb_jpeg(picture: RGB, level: int = 90) -> bytes:
    """RGB as it is, and nothing that says so: no marker, and the components numbered as those of YCbCr are."""
    marked = imagecodecs.jpeg8_encode(picture, level=level, colorspace="RGB", outcolorspace="RGB", subsampling="444")
    data = jpeg_without(bytes(marked), 0xE0, 0xEE)
    out = bytearray(data)
    frame = next(start for marker, start, _ in jpeg_segments(data) if marker == 0xC0)
    scan = data.index(b"\xff\xda")
    for component in range(3):
        out[frame + 10 + 3 * component] = out[scan + 5 + 2 * component] = component + 1
    return bytes(out)


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The segments of a JPEG before its scan: marker, first byte and one past the last."""
    at = 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 1], at, end
        at = end


def jpeg_without(data: bytes, *markers: int) -> bytes:
    """A JPEG without the segments of some markers."""
    for _, start, end in reversed([segment for segment in jpeg_segments(data) if segment[0] in markers]):
        data = data[:start] + data[end:]
    return data


BEYOND = 77
"""What a `MadeReader` gives beyond the edge of a level, where a reader may give anything."""


class MadeReader:
    """A slide's reader over pictures in memory: it notes what is asked for, and can be slow, fail and be held up.

    Parameters
    ----------
    pictures : sequence of ndarray
        Of the levels, highest resolution first.
    tiles : sequence of (int, int)
        Rows and columns of a tile of each level; the last one stands for all further levels.
    reductions : tuple of int
        By what every level's tiles can be reduced; done by the mean over blocks.
    seconds : float
        How long a tile takes.
    damaged : iterable of (level, row, column)
        Tiles that cannot be decoded.

    Attributes
    ----------
    reads : list of (level, row, column, reduce)
        What was asked for, in that order.
    fault : BaseException or None
        What every read raises from now on.
    gate : threading.Event
        Reads wait while it is cleared.
    """

    def __init__(
        self,
        pictures: Sequence[RGB],
        tiles: Sequence[tuple[int, int]] = ((16, 16),),
        *,
        reductions: tuple[int, ...] = (1,),
        seconds: float = 0.0,
        damaged: Iterable[tuple[int, int, int]] = (),
    ) -> None:
        height, width = pictures[0].shape[:2]
        sides = [*tiles, *[tiles[-1]] * len(pictures)][: len(pictures)]
        levels = tuple(
            LevelShape(h, w, height / h, width / w, *side)
            for (h, w, _), side in zip((picture.shape for picture in pictures), sides, strict=True)
        )
        self.metadata = SlideMetadata(levels, None, "", "none", (levels[0].tile_height, levels[0].tile_width))
        self.pictures = [_padded(p, level) for p, level in zip(pictures, levels, strict=True)]
        self.seconds = seconds
        self.damaged = set(damaged)
        self.reads: list[tuple[int, int, int, int]] = []
        self.fault: BaseException | None = None
        self.gate = threading.Event()
        self.gate.set()
        self._reductions = reductions
        self._lock = threading.Lock()
        self._waiting = 0
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many reads wait at the gate."""
        return self._waiting

    def reductions(self, level: int) -> tuple[int, ...]:
        height, width = self.metadata.levels[level].tile_height, self.metadata.levels[level].tile_width
        return tuple(factor for factor in self._reductions if height % factor == width % factor == 0)

    def read_tile(self, level: int, row: int, column: int, reduce: int = 1, out: RGB | None = None) -> RGB:
        shape = self.metadata.levels[level]
        assert 0 <= row < shape.tiles[0]
        assert 0 <= column < shape.tiles[1]
        assert reduce in self.reductions(level)
        if self._closed:
            raise SlideReadError("made", "The slide is closed.")
        with self._lock:
            self.reads.append((level, row, column, reduce))
            self._waiting += 1
        self.gate.wait(20)
        with self._lock:
            self._waiting -= 1
        time.sleep(self.seconds)
        if self.fault is not None:
            raise self.fault
        if (level, row, column) in self.damaged:
            raise TileReadError("made", "A tile cannot be decoded.")
        height, width = shape.tile_height, shape.tile_width
        tile = self.pictures[level][row * height : (row + 1) * height, column * width : (column + 1) * width]
        blocks = tile.reshape(height // reduce, reduce, width // reduce, reduce, 3)
        pixels = np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)
        if out is None or (row + column) % 2:  # a reader may use it or leave it
            return pixels
        assert out.shape == pixels.shape
        out[:] = pixels
        return out

    def icc_profile(self) -> bytes | None:
        return None

    def associated_image(self, name: str) -> RGB:
        raise SlideReadError("made", f"There is no {name}.")

    def close(self) -> None:
        self._closed = True


def _padded(picture: RGB, level: LevelShape) -> RGB:
    rows, columns = level.tiles
    out = np.full((rows * level.tile_height, columns * level.tile_width, 3), BEYOND, np.uint8)
    out[: level.height, : level.width] = picture
    return out


def made_slide(reader: MadeReader, mpp: tuple[float, float] = (1.0, 1.0), cache_bytes: int = DEFAULT_BYTES) -> Slide:
    """An open slide over a `MadeReader`; `mpp` is (x, y)."""
    return Slide(Path("made"), reader, "made", Mpp(*mpp), "made for a test", cache_bytes)


def noise(height: int, width: int, seed: int = 0) -> RGB:
    """A picture in which no two places look alike."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
