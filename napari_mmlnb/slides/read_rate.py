"""How fast tiles are read from a slide on this machine, beside OpenSlide and beside what the decoder allows.

All ways read the same tiles with the same number of threads, in turn, several times, so that what else the machine does
hits all of them; each ratio is the median of the ratios within a round. The decode bound is the time in which every
stored tile that is needed is decoded exactly once, from memory, and nothing else is done.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import openslide

from napari_mmlnb.errors import RequestError
from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.backends.openslide import on_white
from napari_mmlnb.slides.backends.tiff import TiffReader
from napari_mmlnb.slides.resample import best_level
from napari_mmlnb.slides.slide import Slide
from napari_mmlnb.slides.tile_grid import TileGrid, build_tile_grid
from napari_mmlnb.slides.tile_order import Order, block_order
from napari_mmlnb.slides.tile_plan import TilePlan
from napari_mmlnb.slides.tile_reader import TileReader, plan_tiles
from napari_mmlnb.slides.tissue import find_tissue

_BATCH = 32


@dataclass(frozen=True)
class ReadFigures:
    """What was measured.

    Parameters
    ----------
    tiles, tile_px : int
        How many tiles of how many pixels a side.
    um_per_px : float
        Their scale.
    stored_tiles : int
        Stored tiles that they need.
    rounds, threads : int
        How often each way was timed, in turn, and with how many threads.
    tiles_per_s, openslide_tiles_per_s, bound_tiles_per_s : float
        Medians; None where OpenSlide does not open the slide, or the stored bytes are not ours to decode.
    ratio_to_openslide, share_of_decode_bound : float
        Medians of the ratios within a round.
    in_decoder_tiles_per_s, in_decoder_ratio_to_openslide, in_decoder_share_of_decode_bound : float
        The same with reduction in the decoder (DCT domain), against the bound of decoding that way; None where the
        format or the scale does not allow it.
    pixels_different : int
        Grey values of some of the tiles that differ from OpenSlide's at the same scale, before any reduction.
    """

    tiles: int
    tile_px: int
    um_per_px: float
    stored_tiles: int
    rounds: int
    threads: int
    tiles_per_s: float
    openslide_tiles_per_s: float | None
    bound_tiles_per_s: float | None
    ratio_to_openslide: float | None
    share_of_decode_bound: float | None
    in_decoder_tiles_per_s: float | None
    in_decoder_ratio_to_openslide: float | None
    in_decoder_share_of_decode_bound: float | None
    pixels_different: int | None


def tissue_tiles(slide: Slide, tile_px: int, um_per_px: float, offset_px: int = 0, limit: int = 2000) -> TileGrid:
    """A compact part of the tiles over the tissue, as a run reads them.

    Parameters
    ----------
    slide : Slide
        The slide.
    tile_px, um_per_px
        Of the tiles.
    offset_px : int
        Shift of the grid against the slide's origin, in pixels of a tile, so that tiles lie across stored ones.
    limit : int
        How many tiles at most: whole rows from the middle of the slide.

    Raises
    ------
    RequestError
        If there is no tissue.
    """
    tiles = build_tile_grid(find_tissue(slide), tile_px, um_per_px)
    if not len(tiles):
        raise RequestError("There is no tissue on this slide to read.", "Take another slide.")
    first = max(0, (len(tiles) - limit) // 2)
    shift = offset_px * um_per_px
    grid = PixelGrid(tiles.grid.shape, tiles.grid.spacing_um, (shift, shift))
    return TileGrid(grid, tiles.cells[first : first + limit], tile_px, um_per_px)


def measure_read(slide: Slide, tiles: TileGrid, rounds: int = 5) -> ReadFigures:
    """Time our reader, OpenSlide and the decoder alone on the same tiles, in turn.

    Parameters
    ----------
    slide : Slide
        The slide; nothing of it should be in its cache.
    tiles : TileGrid
        What to read.
    rounds : int
        How often.
    """
    threads = slide.pool.threads
    ways: dict[str, Callable[[], object]] = {"ours": lambda: _read_ours(slide, tiles, in_decoder=False)}
    plan, reduced = (plan_tiles(slide, tiles, in_decoder=choice) for choice in (False, True))
    if reduced.decoder_reduction > 1:
        ways["ours, in the decoder"] = lambda: _read_ours(slide, tiles, in_decoder=True)
    if _openslide_opens(slide):
        ways["openslide"] = lambda: _read_peer(slide, tiles, threads)
    bound = _Bound.of(slide, plan)
    if bound is not None:
        ways["bound"] = lambda: bound.decode(1, threads)
        if reduced.decoder_reduction > 1:
            ways["bound, in the decoder"] = lambda: bound.decode(reduced.decoder_reduction, threads)
    seconds = _time_in_turn(ways, rounds)
    different = _pixels_different(slide, tiles, plan.level) if "openslide" in ways else None
    return _figures(slide, tiles, plan, rounds, seconds, different)


def _time_in_turn(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    for way in ways.values():  # warms the page cache, and what is made on first use
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def _figures(
    slide: Slide, tiles: TileGrid, plan: TilePlan, rounds: int, seconds: dict[str, list[float]], different: int | None
) -> ReadFigures:
    def rate(name: str) -> float | None:
        return len(tiles) / statistics.median(seconds[name]) if name in seconds else None

    def ratio(of: str, to: str) -> float | None:
        if of not in seconds or to not in seconds:
            return None
        return statistics.median(b / a for a, b in zip(seconds[of], seconds[to], strict=True))

    inside = "ours, in the decoder"
    return ReadFigures(
        tiles=len(tiles),
        tile_px=tiles.tile_px,
        um_per_px=tiles.um_per_px,
        stored_tiles=int(np.count_nonzero(plan.uses(np.arange(len(tiles))))),
        rounds=rounds,
        threads=slide.pool.threads,
        tiles_per_s=len(tiles) / statistics.median(seconds["ours"]),
        openslide_tiles_per_s=rate("openslide"),
        bound_tiles_per_s=rate("bound"),
        ratio_to_openslide=ratio("ours", "openslide"),
        share_of_decode_bound=ratio("ours", "bound"),
        in_decoder_tiles_per_s=rate(inside),
        in_decoder_ratio_to_openslide=ratio(inside, "openslide"),
        in_decoder_share_of_decode_bound=ratio(inside, "bound, in the decoder"),
        pixels_different=different,
    )


def _read_ours(slide: Slide, tiles: TileGrid, *, in_decoder: bool) -> None:
    order = _order(slide, tiles)
    with TileReader(slide, tiles, order=order, batch=_BATCH, reduce_in_decoder=in_decoder) as reader:
        for _ in reader:
            pass


def _openslide_opens(slide: Slide) -> bool:
    try:
        with _peer(slide):
            return True
    except (openslide.OpenSlideError, OSError, ValueError):
        return False


def _peer(slide: Slide) -> openslide.OpenSlide:
    """A handle of OpenSlide's of its own, with nothing in its cache: neither has ours."""
    path = Path(str(slide.path))
    return openslide.OpenSlide(path if not path.is_dir() else min(path.glob("*.dcm")))


def _peer_tile(peer: openslide.OpenSlide, slide: Slide, tiles: TileGrid, index: int) -> tuple[int, int, int, RGB]:
    """OpenSlide's pixels for a tile, at the level's own scale: y, x, side and pixels."""
    level = best_level(slide.grids, (tiles.um_per_px, tiles.um_per_px))
    grid, region = slide.grids[level], tiles.region(index)
    y, x = (round(v) for v in grid.to_pixels((region.y, region.x)).tolist())
    side = round(tiles.tile_px * tiles.um_per_px / grid.spacing_um[0])
    factor = peer.level_downsamples[level]
    return y, x, side, on_white(peer.read_region((round(x * factor), round(y * factor)), level, (side, side)))


def _read_peer(slide: Slide, tiles: TileGrid, threads: int) -> None:
    with _peer(slide) as peer, ThreadPoolExecutor(threads) as pool:

        def read(index: int) -> None:
            pixels = _peer_tile(peer, slide, tiles, index)[-1]
            if pixels.shape[0] != tiles.tile_px:
                cv2.resize(pixels, (tiles.tile_px, tiles.tile_px), interpolation=cv2.INTER_AREA)

        list(pool.map(read, _order(slide, tiles).tolist()))


def _order(slide: Slide, tiles: TileGrid) -> Order:
    """The order of a run after its first sample, for us and for the peer, whose cache likes it too."""
    return block_order(tiles, slide.stored_tile_um(tiles.um_per_px))


def _pixels_different(slide: Slide, tiles: TileGrid, level: int, count: int = 50) -> int:
    """Grey values that differ before any reduction, over some tiles."""
    different = 0
    with _peer(slide) as peer:
        for index in np.linspace(0, len(tiles) - 1, min(count, len(tiles))).astype(int).tolist():
            y, x, side, theirs = _peer_tile(peer, slide, tiles, index)
            different += int(np.count_nonzero(slide.read(level, y, x, side, side) != theirs))
    slide.cache.clear()
    return different


@dataclass(frozen=True)
class _Bound:
    """The stored tiles that are needed, in memory, and what decodes them."""

    reader: TiffReader
    level: int
    stored: Sequence[tuple[int, int, bytes]]

    @classmethod
    def of(cls, slide: Slide, plan: TilePlan) -> _Bound | None:
        reader = slide.tiles.reader
        if not isinstance(reader, TiffReader):
            return None
        needed = np.argwhere(plan.uses(np.arange(len(plan.tiles)))).tolist()
        found = [(row, column, reader.stored_bytes(plan.level, row, column)) for row, column in needed]
        return cls(reader, plan.level, [(row, column, data) for row, column, data in found if data is not None])

    def decode(self, reduce: int, threads: int) -> None:
        share = -(-len(self.stored) // threads)

        def work(first: int) -> None:
            shape = self.reader.metadata.levels[self.level]
            out = np.empty((shape.tile_height // reduce, shape.tile_width // reduce, 3), np.uint8)
            for row, column, data in self.stored[first : first + share]:
                self.reader.decode(self.level, row, column, data, reduce, out)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(0, len(self.stored), share)))
