"""How often a measurement is held against a sentence that is true: on phantoms, whose every tile has its truth.

Run: python benchmarks/contradiction.py [--phantoms 6] [--stain-shift 0] [--spread] [--json OUT]

For each tile with enough tissue and cells, the true amount of each finding is put into words as a describing model
would ("There is scant neuropil.", "No necrosis is seen."), read again, and compared with what is measured on the very
tile. A mark on such a sentence is a false alarm. For comparison the opposite is said too (absent where there is much,
abundant where there is none): such a mark is right. With `--spread`: the measured values by true amount, from which
the margins in `describe/contradiction.py` were set (on other seeds).
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from napari_mmlnb.describe.claims import Amount, Finding
from napari_mmlnb.describe.contradiction import MARGINS, contradiction
from napari_mmlnb.describe.measurements import measure_tile
from napari_mmlnb.describe.sentences import Values, values_of
from napari_mmlnb.phantom.slide import render_phantom
from napari_mmlnb.phantom.truth import PhantomTruth, Subtype, TileAttributes

FIRST_SEED = 780_000
TUNING_SEED = 770_000
SUBTYPES: tuple[Subtype, ...] = ("ud", "pd", "d")
SIDE = 224
MPP = 0.5
TILE_MM2 = (SIDE * MPP / 1000) ** 2
LEAST_TISSUE, LEAST_CELLS = 0.7, 20

SHARES = ((0.01, Amount.ABSENT), (0.05, Amount.SCANT), (0.35, Amount.SOME), (np.inf, Amount.ABUNDANT))
"""Of the area: the measured describer's own words, "some" and "much" taken together."""
DEGREES: dict[Finding, tuple[tuple[float, Amount], ...]] = {
    Finding.NEUROPIL: SHARES,
    Finding.NECROSIS: SHARES,
    Finding.STROMA: SHARES,
    Finding.BLOOD: SHARES,
    Finding.AMPLE_CYTOPLASM: (
        (1e-9, Amount.ABSENT), (0.05, Amount.SCANT), (0.15, Amount.SOME), (np.inf, Amount.ABUNDANT)
    ),
    # The limits of the index itself (INPC): 2 and 4 %.
    Finding.MKI: ((2.0, Amount.SCANT), (4.0, Amount.SOME), (np.inf, Amount.ABUNDANT)),
    Finding.MITOSES: (
        (1e-9, Amount.ABSENT), (2.0, Amount.SCANT), (4.0, Amount.SOME), (np.inf, Amount.ABUNDANT)
    ),
    # Neuroblastic cells alone have a truth: with the others there are more.
    Finding.CELLULARITY: ((1500, Amount.SCANT), (6000, Amount.SOME), (np.inf, Amount.ABUNDANT)),
}  # fmt: skip
WORDS = {
    Amount.ABSENT: "No {} is seen.",
    Amount.SCANT: "There is scant {}.",
    Amount.SOME: "There is some {}.",
    Amount.ABUNDANT: "There is abundant {}.",
}
LEVELS = {Amount.SCANT: "The {} is low.", Amount.SOME: "The {} is intermediate.", Amount.ABUNDANT: "The {} is high."}
INDEXES = (Finding.MKI, Finding.CELLULARITY)
OF_CELLS = (Finding.AMPLE_CYTOPLASM, Finding.MKI, Finding.MITOSES, Finding.CELLULARITY)
NOUNS = {
    Finding.NEUROPIL: "neuropil",
    Finding.NECROSIS: "necrosis",
    Finding.STROMA: "fibrous stroma",
    Finding.BLOOD: "haemorrhage",
    Finding.AMPLE_CYTOPLASM: "ganglion-like cells",
    Finding.MKI: "mitosis-karyorrhexis index",
    Finding.MITOSES: "karyorrhexis",
    Finding.CELLULARITY: "cellularity",
}
OPPOSITE = {Amount.ABSENT: Amount.ABUNDANT, Amount.ABUNDANT: Amount.ABSENT}
OPPOSITE_LEVEL = {Amount.SCANT: Amount.ABUNDANT, Amount.ABUNDANT: Amount.SCANT}


@dataclass(frozen=True)
class Case:
    """One finding on one tile: how much of it there is, in words, and what was measured."""

    finding: Finding
    amount: Amount
    measured: Values


def sentence(finding: Finding, amount: Amount) -> str:
    """What a model that is right would say."""
    frames = LEVELS if finding in INDEXES else WORDS
    return frames[amount].format(NOUNS[finding])


def cases(phantoms: int, first_seed: int, stain_shift: float) -> Iterator[Case]:
    """Every finding with a truth on every usable tile."""
    for i in range(phantoms):
        rgb, _, truth = render_phantom(
            subtype=SUBTYPES[i % 3], seed=first_seed + i, size=(12 * SIDE, 12 * SIDE), mpp=MPP, stain_shift=stain_shift
        )
        shares = {Finding.STROMA: area(truth, "stroma"), Finding.BLOOD: area(truth, "haemorrhage")}
        for tile in truth.tile_attributes:
            if tile.tissue < LEAST_TISSUE:
                continue
            y, x = tile.row * SIDE, tile.column * SIDE
            measured = values_of(measure_tile(np.ascontiguousarray(rgb[y : y + SIDE, x : x + SIDE]), MPP))
            for finding, value in true_values(tile, shares).items():
                if finding in OF_CELLS and tile.neuroblastic_cells < LEAST_CELLS:
                    continue
                yield Case(finding, next(a for below, a in DEGREES[finding] if value < below), measured)


def true_values(tile: TileAttributes, shares: dict[Finding, np.ndarray]) -> dict[Finding, float]:
    """Shares of the tissue, of the cells, and per 100 cells, as `DEGREES` has them."""
    return {
        Finding.NEUROPIL: tile.neuropil / tile.tissue,
        Finding.NECROSIS: tile.necrosis / tile.tissue,
        Finding.AMPLE_CYTOPLASM: tile.differentiating,
        Finding.MKI: tile.mki,
        Finding.MITOSES: tile.mki,
        Finding.CELLULARITY: tile.neuroblastic_cells / (TILE_MM2 * tile.tissue),
        **{finding: float(share[tile.row, tile.column]) / tile.tissue for finding, share in shares.items()},
    }


def area(truth: PhantomTruth, kind: str) -> np.ndarray:
    """Share of each tile's area that regions of a kind cover, (rows, columns)."""
    rows, columns = truth.grid_shape
    fine = 28
    canvas = np.zeros((rows * fine, columns * fine), np.uint8)
    for region in truth.regions:
        if region.kind == kind:
            ring = np.array(region.polygon_um)[:, ::-1] * (fine / truth.tile_um)
            cv2.fillPoly(canvas, [np.round(ring).astype(np.int32)], 1)
    return canvas.reshape(rows, fine, columns, fine).mean(axis=(1, 3))


def spread(found: list[Case]) -> None:
    """Print the measured values by true amount."""
    for finding in DEGREES:
        margin = MARGINS[finding]
        print(f"\n{finding} ({margin.measure}): n, then 1, 2.5, 5, 25, 50, 75, 95, 97.5, 99 %")
        for amount in Amount:
            values = [
                c.measured[margin.measure]
                for c in found
                if c.finding is finding and c.amount is amount and margin.measure in c.measured
            ]
            if values:
                ticks = np.percentile(values, (1, 2.5, 5, 25, 50, 75, 95, 97.5, 99))
                print(f"  {amount:<9} {len(values):5d}  " + "  ".join(f"{tick:6.2f}" for tick in ticks))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phantoms", type=int, default=6)
    parser.add_argument("--stain-shift", type=float, default=0.0)
    parser.add_argument("--tuning", action="store_true", help="the seeds on which the margins were set")
    parser.add_argument("--spread", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    seed = TUNING_SEED if options.tuning else FIRST_SEED
    found = list(cases(options.phantoms, seed, options.stain_shift))
    if options.spread:
        spread(found)
        return
    counts: dict[Finding, dict[str, list[int]]] = defaultdict(lambda: {"true": [0, 0], "opposite": [0, 0]})
    for case in found:
        told = {"true": case.amount}
        opposite = (OPPOSITE_LEVEL if case.finding in INDEXES else OPPOSITE).get(case.amount)
        if opposite is not None:
            told["opposite"] = opposite
        for kind, amount in told.items():
            count = counts[case.finding][kind]
            count[0] += bool(contradiction(sentence(case.finding, amount), {1: case.measured}))
            count[1] += 1
    for finding, kinds in counts.items():
        shown = {k: f"{m}/{n} = {m / max(n, 1):.1%}" for k, (m, n) in kinds.items()}
        print(f"{finding:<44} true sentences marked {shown['true']:<18} opposites marked {shown['opposite']}")
    marked, all_true = (sum(kinds["true"][i] for kinds in counts.values()) for i in (0, 1))
    print(f"all: {marked} of {all_true} true sentences marked, {marked / all_true:.2%}")
    if options.json:
        options.json.write_text(json.dumps({str(f): k for f, k in counts.items()}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
