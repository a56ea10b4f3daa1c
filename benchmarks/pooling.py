"""Seconds and memory of each pooling on a bag as large as a large slide.

Run: python benchmarks/pooling.py [--tiles 100000] [--features 1280 1584] [--dimension 512] [--rounds 3] [--json OUT]

Each pooling of the registry answers one bag of random features in chunks (`answer_in_chunks`), in a process of its own,
with two threads; 1280 is the length of EfficientNet-Lite0's last features, 1584 of what the shipped encoder gives.
Printed are the best wall time of the rounds and the processor seconds of that round shared by two cores (what the wall
time would be if nothing else ran), beside the bound of 2 s, and the peak resident memory of the process, the bag
included, beside 2 GB. Beneath: the time of the first layer's matrix product alone, which no pooling with that layer in
float32 goes below on that machine, and for each pooling the largest difference to the unchunked answer on 3 000 tiles,
beside 1e-5. `--growth` adds the time on twice the tiles, as a ratio: 2 is linear.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from napari_mmlnb.models.pooling.base import BagClassifier, PoolingShape
from napari_mmlnb.models.pooling.chunks import in_chunks
from napari_mmlnb.models.pooling.registry import POOLINGS

SECONDS_BOUND, MEMORY_BOUND_GB, DIFFERENCE_BOUND = 2.0, 2.0, 1e-5
CLASSES, THREADS, COMPARED_TILES = 3, 2, 3000


@dataclass(frozen=True)
class Figures:
    """What was measured of one pooling: seconds, gigabytes, largest difference to the unchunked answer."""

    name: str
    features: int
    tiles: int
    wall_s: float
    cores_s: float
    peak_gb: float
    product_s: float
    difference: float
    growth: float | None


def timed(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Best wall time of some rounds, and the processor time of that round over the threads."""
    best = (float("inf"), 0.0)
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        best = min(best, (time.perf_counter() - wall, (time.process_time() - cpu) / THREADS))
    return best


def build(name: str, features: int, dimension: int) -> BagClassifier:
    """An untrained classifier."""
    torch.manual_seed(0)
    return POOLINGS.get(name).build(PoolingShape(features, CLASSES, dimension)).eval()


def largest_difference(model: BagClassifier, bag: torch.Tensor) -> float:
    """Between the answer of a whole bag and that of its chunks, over all that both say."""
    with torch.inference_mode():
        whole = model(bag[None], torch.ones(1, len(bag), dtype=torch.bool))
    pieces = model.answer_in_chunks(in_chunks(bag, 1000))
    pairs = [(whole.logits, pieces.logits), (whole.embedding, pieces.embedding), (whole.attention, pieces.attention)]
    if whole.contributions is not None and pieces.contributions is not None:
        pairs.append((whole.contributions, pieces.contributions))
    return max(float((a - b).abs().max()) for a, b in pairs)


def measure(name: str, features: int, tiles: int, dimension: int, rounds: int, *, growth: bool) -> Figures:
    """One pooling on one bag, in this process."""
    torch.set_num_threads(THREADS)
    model = build(name, features, dimension)
    bag = torch.randn(tiles, features, generator=torch.Generator().manual_seed(1))
    model.answer_in_chunks(in_chunks(bag[:8192]))
    wall, cores = timed(lambda: model.answer_in_chunks(in_chunks(bag)), rounds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    weight = torch.randn(dimension, features)

    def product() -> None:
        with torch.inference_mode():
            for chunk in in_chunks(bag):
                torch.nn.functional.linear(chunk, weight)

    alone = timed(product, rounds)[1]
    ratio = None
    if growth:
        twice = torch.cat([bag, bag])
        ratio = timed(lambda: model.answer_in_chunks(in_chunks(twice)), 1)[1] / cores
    difference = largest_difference(model, bag[:COMPARED_TILES])
    return Figures(name, features, tiles, wall, cores, peak, alone, difference, ratio)


def told(value: float, bound: float) -> str:
    """Whether a bound is met."""
    return f"(at most {bound:g}) {'met' if value <= bound else 'NOT MET'}"


def print_figures(one: Figures) -> None:
    """A line of a pooling."""
    grown = "" if one.growth is None else f"; twice the tiles take {one.growth:.2f} times as long"
    print(
        f"{one.name:16s} {one.tiles} x {one.features}: wall {one.wall_s:.2f} s, on two free cores {one.cores_s:.2f} s "
        f"{told(one.cores_s, SECONDS_BOUND)}; peak {one.peak_gb:.2f} GB {told(one.peak_gb, MEMORY_BOUND_GB)}; "
        f"first product alone {one.product_s:.2f} s; difference {one.difference:.1e} "
        f"{told(one.difference, DIFFERENCE_BOUND)}{grown}",
        flush=True,
    )


def main() -> None:
    """Parse the arguments and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, default=100_000)
    parser.add_argument("--features", type=int, nargs="+", default=[1280, 1584])
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth", action="store_true", help="time twice the tiles too")
    parser.add_argument("--names", nargs="+", choices=POOLINGS.names, default=POOLINGS.names)
    parser.add_argument("--json", type=Path, help="where to put the figures")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:  # in a process of its own, so that one's peak is not another's
        sizes = (args.features[0], args.tiles, args.dimension, args.rounds)
        print(json.dumps(asdict(measure(args.names[0], *sizes, growth=args.growth))))
        return
    results = []
    for features in args.features:
        for name in args.names:
            command = [sys.executable, __file__, "--one", "--names", name, "--features", str(features)]
            command += ["--tiles", str(args.tiles), "--dimension", str(args.dimension), "--rounds", str(args.rounds)]
            command += ["--growth"] if args.growth else []
            answer = subprocess.run(command, check=True, capture_output=True, text=True)
            results.append(Figures(**json.loads(answer.stdout)))
            print_figures(results[-1])
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(one) for one in results], indent=2) + "\n")


if __name__ == "__main__":
    main()
