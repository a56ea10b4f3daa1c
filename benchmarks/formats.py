"""How fast tiles are read from each format, beside the library that peers read it with.

Run: python benchmarks/formats.py [--rounds 5] [--only NAME] [--size 6144]

Tiles of 224 px at about 0.5 um, from reads of 448 or 224 px that lie across stored tiles, through `TileReader`, against
`read_region` and a resize by the mean of four pixels where one is needed, on as many threads, in turn, in one run, with
a warm page cache. JPEG 2000 (Aperio's, written by tifffile) and DICOM (a real one, where MMLNB_TEST_SLIDES names a
folder with it) stand against OpenSlide; OME-TIFF and remote slides (a local server, answering at once or after 20 ms)
against tiffslide. Printed are tiles a second, the ratio (the median over the rounds) and its bound: never slower, 1.0.
The exit code is 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import openslide
import tifffile
import tiffslide

from napari_mmlnb import open_slide
from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.slide import Slide
from napari_mmlnb.slides.tile_grid import TileGrid
from napari_mmlnb.slides.tile_reader import TileReader

RGB = npt.NDArray[np.uint8]
TILE_PX, SHIFT_PX = 224, 37
BOUND = 1.0
MPP = 0.25
APERIO = "Aperio Image Library v10.0.51\n{w}x{h} [0,0 {w}x{h}] (256x256) J2K/YUV16 Q=30|AppMag = 40|MPP = 0.25"

ReadRegion = Callable[[tuple[int, int], int, tuple[int, int]], RGB]


@dataclass(frozen=True)
class Case:
    """A format and its peer.

    Parameters
    ----------
    name : str
    place : str or Path
        For us.
    peer : str
        Its name.
    open_peer : callable
        Gives `read_region` of a freshly opened slide, and what closes it.
    """

    name: str
    place: str | Path
    peer: str
    open_peer: Callable[[], tuple[ReadRegion, Callable[[], None]]]


def tissue(side: int, seed: int = 0) -> RGB:
    """Pink and violet grain with fine noise, which compresses about as tissue does."""
    rng = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(rng.normal(size=(side, side)).astype(np.float32), (0, 0), 3)
    share = np.clip(0.5 + grain / grain.std() / 3, 0, 1)[..., None]
    picture = share * (226, 168, 205) + (1 - share) * (120, 80, 160)
    return np.clip(picture + rng.normal(0, 2, (side, side, 1)), 0, 255).astype(np.uint8)


def write_ome_tiff(path: Path, picture: RGB) -> None:
    """JPEG tiles of 256 px, levels in SubIFDs."""
    options: dict[str, Any] = {"tile": (256, 256), "compression": "jpeg", "compressionargs": {"level": 80}}
    with tifffile.TiffWriter(path, ome=True, bigtiff=True) as tif:
        metadata = {"axes": "YXS", "PhysicalSizeX": MPP, "PhysicalSizeY": MPP}
        tif.write(picture, subifds=2, photometric="rgb", metadata=metadata, **options)
        for factor in (4, 16):
            small = cv2.resize(picture, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
            tif.write(small, subfiletype=1, photometric="rgb", **options)


def write_aperio_jpeg2000(path: Path, picture: RGB) -> None:
    """Tiles of 256 px in compression 33005, one level."""
    height, width = picture.shape[:2]
    tifffile.imwrite(
        path, picture, tile=(256, 256), photometric="rgb", compression="APERIO_JP2000_RGB", metadata=None,
        compressionargs={"level": 40}, description=APERIO.format(w=width, h=height),
    )  # fmt: skip


def through_openslide(path: Path) -> tuple[ReadRegion, Callable[[], None]]:
    """OpenSlide's `read_region`, as RGB."""
    slide = openslide.OpenSlide(path)
    return lambda at, level, size: np.asarray(slide.read_region(at, level, size))[..., :3], slide.close


def through_tiffslide(place: str | Path) -> tuple[ReadRegion, Callable[[], None]]:
    """Tiffslide's `read_region`, as RGB."""
    slide = tiffslide.TiffSlide(place)
    return lambda at, level, size: slide.read_region(at, level, size, as_array=True)[..., :3], slide.close


def cases(folder: Path, size: int, stack: ExitStack) -> Iterator[Case]:
    """All that can be measured here."""
    write_ome_tiff(ome := folder / "slide.ome.tiff", tissue(size))
    yield Case("OME-TIFF", ome, "tiffslide", lambda: through_tiffslide(ome))
    for delay_ms in (0, 20):
        from range_server import serve  # noqa: PLC0415 - beside this script

        url = f"{stack.enter_context(serve(folder, delay_ms))}/{ome.name}"
        name = f"remote OME-TIFF, {delay_ms} ms"
        yield Case(name, url, "tiffslide", lambda url=url: through_tiffslide(url))
    write_aperio_jpeg2000(aperio := folder / "aperio.svs", tissue(min(size, 4096)))
    yield Case("JPEG 2000", aperio, "OpenSlide", lambda: through_openslide(aperio))
    real = Path(os.environ.get("MMLNB_TEST_SLIDES", "")) / "CMU-1-Small-Region-dicom"
    if real.is_dir():
        entry = max(real.glob("*.dcm"), key=lambda file: file.stat().st_size)
        yield Case("DICOM", real, "OpenSlide", lambda: through_openslide(entry))
    else:
        print("DICOM: left out, MMLNB_TEST_SLIDES names no folder that holds one")


def read_px(slide: Slide) -> int:
    """Pixels of level 0 that a tile of about 0.5 um covers, a whole multiple of its own."""
    return TILE_PX * max(1, round(0.5 / slide.mpp.x))


def tiles_of(slide: Slide) -> TileGrid:
    """Tiles shifted by a part of a stored tile, wholly on the slide."""
    (height, width), side = slide.grids[0].shape, read_px(slide)
    um = slide.mpp.x * side / TILE_PX
    shape = ((height - SHIFT_PX) // side, (width - SHIFT_PX) // side)
    grid = PixelGrid(shape, (TILE_PX * um, TILE_PX * um), (SHIFT_PX * slide.mpp.y, SHIFT_PX * slide.mpp.x))
    return TileGrid(grid, np.argwhere(np.ones(shape, bool)).astype(np.int32), TILE_PX, um)


def read_ours(place: str | Path, backend: str | None = None) -> tuple[float, dict[int, RGB], int, str]:
    """Seconds, some tiles, how many there are, and the backend."""
    with open_slide(place, backend=backend) as slide:
        tiles = tiles_of(slide)
        kept: dict[int, RGB] = {}
        started = time.perf_counter()
        with TileReader(slide, tiles, batch=32) as reader:
            for batch in reader:
                assert batch.readable.all()
                kept |= {int(i): p.copy() for i, p in zip(batch.indices[:1], batch.pixels[:1], strict=True)}
        return time.perf_counter() - started, kept, len(tiles), slide.backend


def read_peer(case: Case, cells: npt.NDArray[np.int32], side: int, threads: int) -> tuple[float, list[RGB]]:
    """Seconds and tiles."""
    read_region, close = case.open_peer()

    def one(cell: npt.NDArray[np.int32]) -> RGB:
        y, x = (SHIFT_PX + side * int(index) for index in cell)
        pixels = np.ascontiguousarray(read_region((x, y), 0, (side, side)))
        return pixels if side == TILE_PX else cv2.resize(pixels, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA)

    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        tiles = list(pool.map(one, cells))
    seconds = time.perf_counter() - started
    close()
    return seconds, tiles


def measure(case: Case, rounds: int) -> bool:
    """Time both in turn, compare their pixels, and print the line; whether the bound holds."""
    with open_slide(case.place) as slide:
        cells, side, threads = tiles_of(slide).cells, read_px(slide), slide.pool.threads
    ours, peer = [], []
    for number in range(rounds + 1):
        seconds, kept, count, backend = read_ours(case.place)
        peer_seconds, tiles = read_peer(case, cells, side, threads)
        if number:  # the first warms the page cache
            ours.append(seconds)
            peer.append(peer_seconds)
    difference = max(int(np.abs(kept[i].astype(int) - tiles[i]).max()) for i in kept)
    ratios = [b / a for a, b in zip(ours, peer, strict=True)]
    ratio = statistics.median(ratios)
    print(
        f"{case.name:<24} {backend:<10} {count / statistics.median(ours):7.0f} tiles/s   {case.peer:<10}"
        f"{count / statistics.median(peer):7.0f} tiles/s   ratio {ratio:5.2f} (bound {BOUND}), "
        f"{min(ratios):.2f} to {max(ratios):.2f}, largest difference {difference} grey levels"
    )
    return ratio >= BOUND


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=6144, help="side of the generated slides, pixels")
    parser.add_argument("--only", default="", help="formats whose names hold this")
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        held = [
            measure(case, arguments.rounds)
            for case in cases(Path(folder), arguments.size, stack)
            if arguments.only.lower() in case.name.lower()
        ]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
