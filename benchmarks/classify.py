"""What a run costs where nothing has to be encoded, and how much memory one takes at any size of slide.

Run: python benchmarks/classify.py SLIDE [--mpp X] [--rounds 3] [--memory SLIDE ...] [--seconds 60] [--json OUT]

SLIDE is any large slide (`make_svs.py OUT 60000 40000`). Its features are made up, alike to those that the bundle was
trained on, and put where a run keeps them: what is timed does not depend on their values. `--mpp` opens the slide at
another scale, for more tiles. Printed, each beside its bound, best of the rounds with the processor seconds beside:

- classifying the slide with its features kept: in a new process with the model loaded on the way and without, and
  once more while the slide is open;
- a new region over the same tiles while the slide is open: to the map and the class so far, and to the whole result
  with its evidence read and described;
- a bag of 100 000 tiles, its features in memory: seconds and resident memory;
- for each slide of `--memory`: the most resident memory over that of the loaded model, each in a process of its own,
  encoding for at most `--seconds`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import psutil
import torch

from napari_mmlnb import classify, open_slide
from napari_mmlnb.bundles.kept import kept_bundle
from napari_mmlnb.inference import gathering
from napari_mmlnb.inference.answer import answer_image, rate_tiles
from napari_mmlnb.inference.classify_rate import PeakMemory
from napari_mmlnb.inference.encoding import EncodedBatch
from napari_mmlnb.inference.readiness import get_ready
from napari_mmlnb.inference.settings import RunSettings
from napari_mmlnb.slides.tile_reader import TileReader

CACHED_BOUND_S, ROI_BOUND_S, BAG_BOUND_S, BAG_BOUND_GB, MEMORY_BOUND_GB = 1.0, 0.2, 2.0, 2.0, 1.5
BAG_TILES = 100_000
FILLED_AT_ONCE = 512
SPREAD = 0.7
"""Of the made-up features, in units of the training tiles' deviation: near enough to be familiar."""


def main() -> None:
    """Parse the arguments, run each part in a process of its own, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", type=Path)
    parser.add_argument("--mpp", type=float)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=Path, nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--kept", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        # Made-up features must not lie where those of real runs do.
        with patch.object(gathering, "cache_folder", lambda: options.kept):
            print(json.dumps(PARTS[options.part](options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        options.kept = Path(folder)
        figures = {name: child(name, options.slide, options) for name in ("fill", "cached", "bag")}
        show(figures)
    for slide in options.memory:
        figures[f"memory {slide.name}"] = one = child("memory", slide, options)
        print(
            f"{slide.name}, {one['size_px']} px, {one['tiles']} tiles of which {one['seen']} seen: at most "
            f"{one['over_model_gb']:.2f} GB over the loaded model (bound {MEMORY_BOUND_GB})",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def child(part: str, slide: Path, options: argparse.Namespace) -> dict:
    """Run a part in a new process."""
    command = [sys.executable, __file__, str(slide), "--part", part]
    command += ["--rounds", str(options.rounds), "--seconds", str(options.seconds), "--kept", str(options.kept)]
    command += ["--mpp", str(options.mpp)] if options.mpp else []
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def fill(options: argparse.Namespace) -> dict:
    """Put made-up features where a run keeps them."""
    bundle = kept_bundle("nb-phantom")
    random = np.random.default_rng(0)
    mean, deviation = bundle.familiarity.mean.numpy(), 1 / bundle.familiarity.scale.numpy()

    class Order(TileReader):
        """Reads nothing, and knows in which order it would have."""

        def __iter__(self):
            for first in range(0, len(self._order), FILLED_AT_ONCE):
                yield self._order[first : first + FILLED_AT_ONCE]

    def made_up(reader, *_):
        for indices in reader:
            noise = random.standard_normal((len(indices), len(mean)), dtype=np.float32)
            yield EncodedBatch(indices, mean + SPREAD * deviation * noise, indices[:0])

    instead = patch.multiple(gathering, TileReader=Order, encode_tiles=made_up)
    with instead, open_slide(options.slide, mpp=options.mpp) as slide:
        result = classify(slide, bundle)
    return {"tiles": result.coverage.tiles_total}


def cached(options: argparse.Namespace) -> dict:
    """A slide whose features are kept, and new regions of it."""
    begun = Clock()
    kept_bundle("nb-phantom")
    load = begun.read()
    get_ready("nb-phantom")  # what the workspace does before anybody clicks
    first, again, region_map, region = [], [], [], []
    for number in range(options.rounds):
        with open_slide(options.slide, mpp=options.mpp) as slide, tempfile.TemporaryDirectory() as folder:
            first.append(timed(slide, RunSettings())[1])
            again.append(timed(slide, RunSettings())[1])
            roi = region_file(Path(folder), slide, number)
            news, whole, tiles = timed(slide, RunSettings(roi=roi), count=True)
            region_map.append(news)
            region.append(whole)
    return {
        "load": load,
        "first": min(first),
        "again": min(again),
        "region_map": min(region_map),
        "region": min(region),
        "region_tiles": tiles,
    }


def timed(slide, settings, *, count: bool = False):
    """Wall and processor seconds to the first map with attention, and to the result."""
    clock, news, result = Clock(), None, None
    for update in classify(slide, "nb-phantom", settings=settings, stream=True):
        shows = update.stage == "encode" and update.maps is not None and np.isfinite(update.maps.attention).any()
        if news is None and shows:
            news = clock.read()
        result = update.result or result
    return (news, clock.read(), result.coverage.tiles_total) if count else (news, clock.read())


def region_file(folder: Path, slide, number: int) -> Path:
    """Nearly the whole slide; another region each time."""
    height, width = slide.grids[0].shape
    edge = 200 + 50 * number
    corners = [[edge, edge], [width - edge, edge], [width - edge, height - edge], [edge, height - edge], [edge, edge]]
    polygon = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [corners]}}
    path = folder / "region.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [polygon]}))
    return path


def bag(options: argparse.Namespace) -> dict:
    """A bag of 100 000 tiles, aggregated and judged."""
    bundle = kept_bundle("nb-phantom")
    random = np.random.default_rng(0)
    features = random.standard_normal((BAG_TILES, bundle.encoder.dimension), dtype=np.float32)
    cpu, memory = torch.device("cpu"), PeakMemory()
    answer_image(bundle, rate_tiles(bundle, features[:4096], cpu))
    times = []
    with memory.watched():
        for _ in range(options.rounds):
            clock = Clock()
            answer_image(bundle, rate_tiles(bundle, features, cpu))
            times.append(clock.read())
    return {"time": min(times), "peak_gb": memory.peak_mb * 2**20 / 1e9, "cores": psutil.cpu_count()}


def memory(options: argparse.Namespace) -> dict:
    """The most memory of a run on a slide, its encoding limited."""
    get_ready("nb-phantom")
    watch = PeakMemory()
    model_mb = watch.now_mb
    with watch.watched(), open_slide(options.slide, mpp=options.mpp) as slide:
        result = classify(slide, "nb-phantom", settings=RunSettings(seconds=options.seconds, cache_bytes=0))
    return {
        "size_px": result.slide.size_px,
        "tiles": result.coverage.tiles_total,
        "seen": result.coverage.tiles_used,
        "model_gb": model_mb * 2**20 / 1e9,
        "over_model_gb": (watch.peak_mb - model_mb) * 2**20 / 1e9,
    }


PARTS = {"fill": fill, "cached": cached, "bag": bag, "memory": memory}


class Clock:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """(wall, processor of all threads)."""
        return round(time.perf_counter() - self._wall, 3), round(time.process_time() - self._cpu, 3)


def show(figures: dict) -> None:
    """Print the figures with their bounds."""
    one, whole = figures["cached"], figures["bag"]
    print(f"{figures['fill']['tiles']} tiles with features kept; wall seconds (processor seconds of all threads)")
    rows = [
        ("model loaded", one["load"], None),
        ("slide classified, new process", one["first"], CACHED_BOUND_S),
        ("the same, the slide open since", one["again"], CACHED_BOUND_S),
        (f"a new region of {one['region_tiles']} tiles: map and class so far", one["region_map"], ROI_BOUND_S),
        ("  the whole result, described", one["region"], None),
        (f"a bag of {BAG_TILES} tiles", whole["time"], BAG_BOUND_S),
    ]
    for name, (wall, cpu), bound in rows:
        print(f"  {name:<55}{wall:7.3f} ({cpu:.3f})" + (f"   bound {bound:g}" if bound else ""))
    print(
        f"  {'its resident memory, features included, GB':<55}{whole['peak_gb']:7.2f}   bound {BAG_BOUND_GB:g}",
        flush=True,
    )


if __name__ == "__main__":
    main()
