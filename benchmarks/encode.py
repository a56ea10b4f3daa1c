"""From tissue to features beside LazySlide 0.13, beside the bound of two shared cores, and beside float32.

Run: python benchmarks/encode.py SLIDE [--peer-python PATH] [--tiles 2000] [--peer-tiles 600] [--rounds 3]

SLIDE is a large JPEG slide (an Aperio SVS of 0.25 um per pixel with 240 px tiles is what the bounds were set on).
--peer-python is a Python that has LazySlide 0.13 and this program (`benchmarks/peer_lazyslide.py` runs in it); it times
only its own work. Without it the two peer's lines are not measured.

Every round times all ways in turn; ratios are medians of the ratios within a round. The peer does fewer tiles a round,
being slower; finding tissue and laying the grid are done for the whole slide and counted, for both, in the share of
its tiles that are encoded.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from napari_mmlnb.bundles.registry import load_bundle
from napari_mmlnb.inference.bundle_runtime import bundle_runtime
from napari_mmlnb.inference.encoding import encode_tiles
from napari_mmlnb.inference.runtimes.base import EncoderRuntime
from napari_mmlnb.inference.runtimes.reference import reference_features
from napari_mmlnb.slides.backends.tiff import TiffReader
from napari_mmlnb.slides.slide import Slide, open_slide
from napari_mmlnb.slides.tile_grid import TileGrid, build_tile_grid
from napari_mmlnb.slides.tile_order import fair_order
from napari_mmlnb.slides.tile_reader import TileReader, plan_tiles
from napari_mmlnb.slides.tissue import find_tissue

TILE_PX, UM_PER_PX = 224, 0.5
DEFAULT, BOUNDS = "default", {"default": 10.0, "backend": 2.0, "share": 0.90, "cosine": 0.999}


@dataclass(frozen=True)
class Part:
    """Some tiles of a slide, whole rows from its middle.

    Parameters
    ----------
    tiles : TileGrid
        Which.
    total : int
        How many the slide has.
    """

    tiles: TileGrid
    total: int


class Peer:
    """LazySlide's process."""

    def __init__(self, python: Path, slide: Path, runtime: str) -> None:
        script = Path(__file__).with_name("peer_lazyslide.py")
        threads = str(len(os.sched_getaffinity(0)))
        self._process = subprocess.Popen(
            [python, script, slide, "--runtime", runtime, "--threads", threads],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONPATH": str(script.parents[1]), "OMP_NUM_THREADS": threads},
        )
        self.settings: list[str] = self._answer()["ready"]

    def run(self, setting: str, tiles: int) -> dict[str, float]:
        """One round; seconds and how many tiles."""
        self._process.stdin.write(json.dumps({"setting": setting, "tiles": tiles}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End it."""
        self._process.stdin.close()
        self._process.wait(20)

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("LazySlide's process has ended: run benchmarks/peer_lazyslide.py by hand to see why")
        return json.loads(line)


def verdict(name: str, value: float, bound: float) -> None:
    """One figure beside its bound."""
    print(f"  {name}: {value:.5g} (bound: at least {bound:g}) {'met' if value >= bound else 'NOT MET'}")


def find_part(slide: Slide, limit: int) -> Part:
    """Tissue, grid, and the part of it that is encoded."""
    tiles = build_tile_grid(find_tissue(slide), TILE_PX, UM_PER_PX)
    first = max(0, (len(tiles) - limit) // 2)
    return Part(TileGrid(tiles.grid, tiles.cells[first : first + limit], TILE_PX, UM_PER_PX), len(tiles))


def end_to_end(path: Path, runtime: EncoderRuntime, limit: int) -> float:
    """Tiles a second from the slide's file to features, as a run computes them."""
    with open_slide(path) as slide:
        started = time.perf_counter()
        part = find_part(slide, limit)
        grid_s = time.perf_counter() - started
        started = time.perf_counter()
        encode(slide, part.tiles, runtime)
        encode_s = time.perf_counter() - started
    count = len(part.tiles)
    return count / (grid_s * count / part.total + encode_s)


def reader_of(slide: Slide, tiles: TileGrid, runtime: EncoderRuntime) -> TileReader:
    """The reader as a run sets it up."""
    order = fair_order(tiles, slide.stored_tile_um(UM_PER_PX))
    return TileReader(slide, tiles, order=order, batch=runtime.batch, reduce_in_decoder=True)


def encode(slide: Slide, tiles: TileGrid, runtime: EncoderRuntime) -> None:
    """Read and encode."""
    with reader_of(slide, tiles, runtime) as reader:
        for _ in encode_tiles(reader, runtime):
            pass


def read(slide: Slide, tiles: TileGrid, runtime: EncoderRuntime) -> None:
    """Read and do nothing with it."""
    with reader_of(slide, tiles, runtime) as reader:
        for _ in reader:
            pass


def encode_only(pixels: np.ndarray, count: int, runtime: EncoderRuntime) -> None:
    """Encode so many tiles that are in memory."""
    step = runtime.piece or runtime.batch
    calls = (pixels[at % len(pixels) : at % len(pixels) + step] for at in range(0, count, step))
    with ThreadPoolExecutor(runtime.streams) as pool:
        for _ in pool.map(runtime.encode, calls):
            pass


def decode_only(slide: Slide, tiles: TileGrid) -> Callable[[], None]:
    """What decodes every stored tile that is needed once, from memory, and does nothing else."""
    plan, decoder = plan_tiles(slide, tiles, in_decoder=True), slide.tiles.reader
    assert isinstance(decoder, TiffReader), "the decode bound is known for TIFF only"
    needed = np.argwhere(plan.uses(np.arange(len(tiles)))).tolist()
    stored = [(row, column, decoder.stored_bytes(plan.level, row, column)) for row, column in needed]
    threads, factor = slide.pool.threads, plan.decoder_reduction

    def work(first: int) -> None:
        shape = decoder.metadata.levels[plan.level]
        out = np.empty((shape.tile_height // factor, shape.tile_width // factor, 3), np.uint8)
        for row, column, data in stored[first::threads]:
            decoder.decode(plan.level, row, column, data, factor, out)

    def decode() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))

    return decode


def seconds(way: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    way()
    return time.perf_counter() - started


def overlap(path: Path, runtime: EncoderRuntime, limit: int, rounds: int) -> None:
    """The share of the bound: encoding alone, decoding alone, reading alone and both together, in turn."""
    with open_slide(path) as slide:
        tiles = find_part(slide, limit).tiles
        with reader_of(slide, tiles, runtime) as reader:
            pixels = next(iter(reader)).pixels.copy()
        ways: dict[str, Callable[[], object]] = {
            "encoding alone": lambda: encode_only(pixels, len(tiles), runtime),
            "decoding alone": decode_only(slide, tiles),
            "reading alone": lambda: read(slide, tiles, runtime),
            "both together": lambda: encode(slide, tiles, runtime),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                times[name].append(seconds(way))
    print(f"Overlap, {len(tiles)} tiles, {runtime.facts.name}, {runtime.streams} streams")
    for name, taken in times.items():
        print(f"  {name}: {len(tiles) / statistics.median(taken):.0f} tiles/s")

    def share(decoding: str) -> float:
        rows = zip(times["encoding alone"], times[decoding], times["both together"], strict=True)
        return statistics.median((encoding + other) / together for encoding, other, together in rows)

    verdict("share of 1/(1/encode + 1/decode)", share("decoding alone"), BOUNDS["share"])
    print(f"  share of 1/(1/encode + 1/read): {share('reading alone'):.3f}")


def cosines(path: Path, runtime: EncoderRuntime) -> None:
    """Features against float32, tile by tile."""
    with open_slide(path) as slide, reader_of(slide, find_part(slide, 128).tiles, runtime) as reader:
        pixels = np.concatenate([batch.pixels[batch.readable] for batch in reader])
    ours, exact = runtime.encode(pixels), reference_features(runtime.encoder, pixels)
    values = (ours * exact).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(exact, axis=1)
    print(f"Features of {len(pixels)} tiles against float32")
    verdict("least cosine", float(values.min()), BOUNDS["cosine"])


def beside_peer(path: Path, python: Path, runtime: EncoderRuntime, given: argparse.Namespace) -> None:
    """Our rate over LazySlide's, round by round."""
    peer = Peer(python, path, runtime.facts.name)
    try:
        for setting in peer.settings:
            peer.run(setting, 64)  # what is made on first use
        tried = {name: _rate(peer.run(name, given.peer_tiles)) for name in peer.settings if name != DEFAULT}
        best = max(tried, key=tried.__getitem__)
        for name, rate in tried.items():
            print(f"LazySlide with {name}: {rate:.0f} tiles/s in one trial")
        end_to_end(path, runtime, 64)
        rates: dict[str, list[float]] = {"ours": [], DEFAULT: [], best: []}
        for _ in range(given.rounds):
            rates["ours"].append(end_to_end(path, runtime, given.tiles))
            rates[DEFAULT].append(_rate(peer.run(DEFAULT, given.peer_tiles // 2)))
            rates[best].append(_rate(peer.run(best, given.peer_tiles)))
    finally:
        peer.close()
    print(f"Tissue to features, EfficientNet-Lite0, {runtime.facts.name}, median of {given.rounds} rounds in turn")
    for name, measured in rates.items():
        print(f"  {name}: {statistics.median(measured):.0f} tiles/s")
    for name, bound in ((DEFAULT, BOUNDS["default"]), (best, BOUNDS["backend"])):
        ratio = statistics.median(a / b for a, b in zip(rates["ours"], rates[name], strict=True))
        verdict(f"times LazySlide ({name})", ratio, bound)


def _rate(answer: dict[str, float]) -> float:
    return answer["tiles"] / answer["seconds"]


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slide", type=Path)
    parser.add_argument("--peer-python", type=Path)
    parser.add_argument("--tiles", type=int, default=2000)
    parser.add_argument("--peer-tiles", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runtime", default="auto")
    given = parser.parse_args()
    chosen = bundle_runtime(load_bundle("nb-phantom"), torch.device("cpu"), given.runtime)
    print(f"{chosen.runtime.facts.name}: {chosen.reason}")
    cosines(given.slide, chosen.runtime)
    overlap(given.slide, chosen.runtime, given.tiles, given.rounds)
    if given.peer_python is not None:
        beside_peer(given.slide, given.peer_python, chosen.runtime, given)


if __name__ == "__main__":
    main()
