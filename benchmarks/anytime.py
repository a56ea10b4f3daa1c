"""How soon a run knows, and how honest its intervals are while it does not.

Run: python benchmarks/anytime.py [--model nb-phantom] [--slides 24] [--level 0.95] [--keep FOLDER] [--json OUT]

Phantoms of unseen seeds (the first 18 of 4096 px, the others 7168 px across) are classified in full, and once more with
an early stop at the level. Then each run is replayed from what it found of its tiles: after every twentieth of the
tiles in the fair order the class so far and its 90 % interval are compared with what the image branch said in the end,
and with the run's own answer (image and text fused). Printed are

- the share of the tiles after which the class had become, and stayed, the final one: median and worst;
- how often the final probabilities lay within the interval (0.90 is promised), by how much had been seen;
- where the early stop came, and how often its answer was another than that of the whole slide;
- what an update costs at 100 000 tiles.

What was found is kept in a folder, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_mmlnb import classify, load_bundle, open_slide
from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.inference.estimate import RunEstimate, estimate, leave_out_blocks
from napari_mmlnb.inference.settings import RunSettings
from napari_mmlnb.phantom.slide import write_phantom
from napari_mmlnb.result import RunResult, TileState
from napari_mmlnb.slides.slide import Slide
from napari_mmlnb.slides.tile_grid import TileGrid
from napari_mmlnb.slides.tile_order import fair_order, tile_blocks

FIRST_SEED = 930_000
STEPS = 20
LARGE_TILES = 100_000


@dataclass(frozen=True)
class Seen:
    """One phantom: its rated tiles in the fair order, and what the runs answered."""

    name: str
    scores: np.ndarray
    shares: np.ndarray
    blocks: np.ndarray
    answered: dict[str, float]
    stopped: dict[str, float]
    stopped_after: int

    @property
    def tiles(self) -> int:
        """In all."""
        return len(self.scores)


def main() -> None:
    """Collect, replay, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nb-phantom")
    parser.add_argument("--slides", type=int, default=24)
    parser.add_argument("--level", type=float, default=0.95)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    bundle = load_bundle(options.model)
    with tempfile.TemporaryDirectory() as scratch:
        keep = options.keep or Path(scratch)
        keep.mkdir(parents=True, exist_ok=True)
        seen = [collect(bundle, i, keep, options.level) for i in range(options.slides)]
    figures = replayed(seen, bundle, options.level) | {"update_ms_at_100000_tiles": update_ms(bundle)}
    show(figures, options.level)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def collect(bundle: Bundle, number: int, keep: Path, level: float) -> Seen:
    """One phantom, classified in full and with the early stop; read from the folder where it was done before."""
    subtype = bundle.spec.class_ids[number % len(bundle.spec.class_ids)]
    seed, size = FIRST_SEED + number, 7168 if number >= 18 else 4096
    found = keep / f"{seed}-{subtype}-{size}-{level:g}.npz"
    if not found.exists():
        path = keep / f"{seed}-{subtype}-{size}.tiff"
        if not path.exists():
            write_phantom(path, subtype=subtype, seed=seed, size=(size, size))
        with open_slide(path) as slide:
            whole = classify(slide, bundle)
            early = classify(slide, bundle, settings=RunSettings(stop_when_stable=level))
            write(found, slide, whole, early)
        path.unlink()
    with np.load(found) as data:
        return Seen(
            found.stem, data["scores"], data["shares"], data["blocks"],
            json.loads(str(data["answered"])), json.loads(str(data["stopped"])), int(data["stopped_after"]),
        )  # fmt: skip


def write(found: Path, slide: Slide, whole: RunResult, early: RunResult) -> None:
    """Keep the tiles as the finished run rated them: attention is a softmax, and a contribution a share of it."""
    maps = whole.maps
    cells = np.argwhere(maps.state == TileState.USED).astype(np.int32)
    tiles = TileGrid(maps.grid, cells, whole.settings["tile_px"], whole.settings["tile_um_per_px"])
    stored_um = slide.stored_tile_um(tiles.um_per_px)
    order = fair_order(tiles, stored_um)
    rows, columns = cells.T
    attention = maps.attention[rows, columns].astype(np.float64)
    shares = np.stack([m[rows, columns] * len(cells) / attention for m in maps.contribution.values()], axis=1)
    stopped_after = early.settings["stopped_after_tiles"]
    np.savez_compressed(
        found,
        scores=np.log(attention)[order],
        shares=shares[order],
        blocks=tile_blocks(tiles, stored_um)[order],
        answered=json.dumps(whole.probabilities.fused),
        stopped=json.dumps(early.probabilities.fused),
        decisions=json.dumps([whole.decision, early.decision]),
        stopped_after=-1 if stopped_after is None else stopped_after,
    )
    print(f"{found.stem}: {len(cells)} tiles, {whole.decision}, early end after {stopped_after}", flush=True)


def said(seen: Seen, bundle: Bundle, count: int) -> RunEstimate:
    """What the first tiles of a phantom say."""
    bias = bundle.system.image_head.bias.detach().numpy()
    part = slice(0, count)
    jackknife = leave_out_blocks(seen.scores[part], seen.shares[part], bias, seen.blocks[part], seen.tiles)
    temperature = bundle.calibration.temperature["image"]
    return estimate(jackknife, bundle.spec.classes, temperature, (count, seen.tiles))


def replayed(all_seen: list[Seen], bundle: Bundle, level: float) -> dict[str, object]:
    """The figures of all phantoms."""
    shares = np.arange(1, STEPS) / STEPS
    stays: dict[str, list[float]] = {"image": [], "fused": []}
    within = np.zeros((len(all_seen), len(shares)))
    width = np.zeros_like(within)
    for i, seen in enumerate(all_seen):
        final = said(seen, bundle, seen.tiles)
        looks = [said(seen, bundle, max(1, round(share * seen.tiles))) for share in shares]
        for of, answer in (("image", final.leading), ("fused", max(seen.answered, key=seen.answered.get))):
            other = [k for k, look in enumerate(looks) if look.leading != answer]
            stays[of].append(
                float(shares[0] if not other else 1.0 if other[-1] + 1 == len(shares) else shares[other[-1] + 1])
            )
        for k, look in enumerate(looks):
            inside = [low <= final.probabilities[c] <= high for c, (low, high) in look.intervals.items()]
            within[i, k] = np.mean(inside)
            width[i, k] = np.mean([high - low for low, high in look.intervals.values()])
    stopped = [seen for seen in all_seen if seen.stopped_after > 0]
    changed = [
        seen.name
        for seen in stopped
        if max(seen.stopped, key=seen.stopped.get) != max(seen.answered, key=seen.answered.get)
    ]
    return {
        "phantoms": len(all_seen),
        "tiles": [seen.tiles for seen in all_seen],
        "class_stays_after": {
            of: {"median": float(np.median(v)), "worst": float(np.max(v))} for of, v in stays.items()
        },
        "coverage": {f"{share:.2f}": round(float(c), 3) for share, c in zip(shares, within.mean(axis=0), strict=True)},
        "width": {f"{share:.2f}": round(float(w), 3) for share, w in zip(shares, width.mean(axis=0), strict=True)},
        "coverage_all": round(float(within.mean()), 3),
        "stop_level": level,
        "stopped": len(stopped),
        "stopped_after_share": [round(seen.stopped_after / seen.tiles, 3) for seen in stopped],
        "stopped_with_another_class": changed,
    }


def update_ms(bundle: Bundle) -> float:
    """Milliseconds of one update at a large slide: median of a few."""
    random = np.random.default_rng(0)
    classes = len(bundle.spec.class_ids)
    scores = random.normal(size=LARGE_TILES).astype(np.float32)
    shares = random.normal(size=(LARGE_TILES, classes)).astype(np.float32)
    blocks = np.arange(LARGE_TILES) // 64
    seen = Seen("large", scores, shares, blocks, {}, {}, -1)
    times = []
    for _ in range(9):
        started = time.perf_counter()
        said(seen, bundle, LARGE_TILES - 1000)
        times.append((time.perf_counter() - started) * 1000)
    return round(float(np.median(times)), 1)


def show(figures: dict, level: float) -> None:
    """Print the figures."""
    print(f"\n{figures['phantoms']} phantoms of {min(figures['tiles'])} to {max(figures['tiles'])} tiles")
    for of, stays in figures["class_stays_after"].items():
        print(
            f"the class is the final one ({of}), and stays it, after {stays['median']:.0%} of the tiles; "
            f"worst {stays['worst']:.0%}"
        )
    print("share seen   final probability within the 90 % interval   mean width")
    for share, coverage in figures["coverage"].items():
        width = figures["width"][share]
        print(f"   {float(share):4.0%}        {coverage:.3f}                                      {width:.3f}")
    print(f"   all        {figures['coverage_all']:.3f} (promised 0.900)")
    after = figures["stopped_after_share"]
    if after:
        changed = figures["stopped_with_another_class"]
        spread = f"median {np.median(after):.0%} of the tiles, from {min(after):.0%} to {max(after):.0%}"
        print(f"early stop at {level:g}: {figures['stopped']} of {figures['phantoms']} runs, after {spread}")
        print(f"  of them with another class than the whole slide: {len(changed)} {changed}")
    print(f"an update at {LARGE_TILES} tiles: {figures['update_ms_at_100000_tiles']} ms")


if __name__ == "__main__":
    main()
