"""Whether a bundle knows what it does not know.

Run: python benchmarks/trust.py --work DIR [--model nb-phantom] [--plain 24] [--json OUT] [--real SLIDE ...]

Prints, on phantoms that nothing was fitted on, the expected calibration error and the coverage of the prediction sets
with its interval (Clopper and Pearson, 95 %), and how many slides are refused, by kind: of the held-out ones at most
5 % should be, of the foreign ones at least 95 %. Foreign are

- stain: phantoms whose stain, strength and scanner lie well outside the range of the training (`stain_shift` 1);
- swapped: phantoms with red and blue exchanged, as another staining would look;
- blurred: phantoms out of focus by a Gaussian of 2 um, sensor noise added again;
- blank: glass without tissue;
- real: slides of patients' tissue, given by `--real`.

Slides and answers are kept in DIR, features in the person's cache: a run that was stopped goes on where it was, a run
with `--seconds N` stops after about N seconds and prints what there is, and another bundle is judged from the same
slides without encoding them again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tifffile
from scipy.stats import beta

from napari_mmlnb import classify, load_bundle
from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.registry import bundle_folder
from napari_mmlnb.bundles.spec import SPEC_FILE
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.phantom.slide import write_phantom
from napari_mmlnb.phantom.writer import write_pyramid
from napari_mmlnb.result import RunResult
from napari_mmlnb.training.metrics import expected_calibration_error

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]

PLAIN_SEED, STAIN_SEED = 920_100, 921_100
MPP, QUALITY, NOISE = 0.5, 85, 1.5
BLUR_UM = 2.0
PLAIN, REAL = "plain", "real"
REFUSED_AT_MOST, REFUSED_AT_LEAST = 0.05, 0.95
ERROR_BOUND = 0.1


@dataclass(frozen=True)
class Case:
    """One slide of the benchmark.

    Parameters
    ----------
    kind, name : str
        What it is, and what its files are called.
    truth : str
        Class id; empty where it has none.
    make : callable
        Writes it to a path.
    """

    kind: str
    name: str
    truth: str
    make: Callable[[Path], object]


def cases(ids: tuple[str, ...], counts: dict[str, int], size: int, folder: Path) -> Iterator[Case]:
    """All slides that are made, kinds by turns, so that a run which is stopped has some of each."""
    for i in range(max(counts.values())):
        truth = ids[i % len(ids)]
        plain = folder / f"{PLAIN}-{size}-{PLAIN_SEED + i}.tiff"
        made: dict[str, Callable[[Path], object]] = {
            PLAIN: lambda path, i=i, truth=truth: phantom(path, truth, PLAIN_SEED + i, size, 0.0),
            "stain": lambda path, i=i, truth=truth: phantom(path, truth, STAIN_SEED + i, size, 1.0),
            "swapped": lambda path, plain=plain, i=i: altered(plain, path, swapped, i),
            "blurred": lambda path, plain=plain, i=i: altered(plain, path, blurred, i),
            "blank": lambda path, i=i: blank(path, size, i),
        }
        for kind, make in made.items():
            if i < counts[kind]:
                seed = (STAIN_SEED if kind == "stain" else PLAIN_SEED) + i
                yield Case(kind, f"{kind}-{size}-{seed}", truth if kind == PLAIN else "", make)


def phantom(path: Path, subtype: str, seed: int, size: int, shift: float) -> None:
    """A phantom; its truth lies beside it."""
    write_phantom(path, subtype=subtype, seed=seed, size=(size, size), mpp=MPP, stain_shift=shift)


def altered(
    source: Path, path: Path, change: Callable[[np.ndarray, np.random.Generator], np.ndarray], seed: int
) -> None:
    """A phantom, changed pixel by pixel."""
    write_pyramid(path, change(tifffile.imread(source), np.random.default_rng(seed)), MPP, QUALITY)


def swapped(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:  # noqa: ARG001 - as all changes
    """Red and blue exchanged."""
    return np.ascontiguousarray(rgb[..., ::-1])


def blurred(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus, with the noise of a sensor."""
    soft = cv2.GaussianBlur(rgb.astype(np.float32), (0, 0), BLUR_UM / MPP)
    soft += NOISE * rng.standard_normal(rgb.shape, dtype=np.float32)
    return np.clip(soft + 0.5, 0, 255).astype(np.uint8)


def blank(path: Path, size: int, seed: int) -> None:
    """Glass of a slightly tinted lamp, with noise."""
    rng = np.random.default_rng(seed)
    glass = rng.uniform(225, 248) + rng.uniform(-4, 4, 3)
    rgb = glass + NOISE * rng.standard_normal((size, size, 3))
    write_pyramid(path, np.clip(rgb + 0.5, 0, 255).astype(np.uint8), MPP, QUALITY)


def row(kind: str, name: str, truth: str, result: RunResult, seconds: float) -> dict[str, object]:
    """What is kept of one answer."""
    probabilities = result.probabilities
    shift = result.shift
    return {
        "kind": kind,
        "name": name,
        "truth": truth,
        "decision": result.decision,
        "reasons": [one.code for one in result.abstain_reasons],
        "fused": probabilities.fused if probabilities else None,
        "tiles": result.coverage.tiles_used,
        "median_tile": shift.score if shift else None,
        "slide": [shift.slide.score, shift.slide.limit] if shift and shift.slide else None,
        "foreign_tiles": shift.foreign_tiles.share if shift and shift.foreign_tiles else None,
        "quality": {one.kind: one.value for one in result.quality.findings} if result.quality else None,
        "seconds": round(seconds, 1),
    }


def answered(kept: Path, kind: str, name: str, truth: str, slide: Path, bundle: Bundle) -> dict[str, object]:
    """The answer to a slide, from before where there is one."""
    path = kept / f"{name}.json"
    if not path.is_file():
        started = time.perf_counter()
        result = classify(slide, bundle)
        path.write_text(json.dumps(row(kind, name, truth, result, time.perf_counter() - started)))
    return json.loads(path.read_text())


def gather(options: argparse.Namespace, bundle: Bundle, kept: Path) -> list[dict]:
    """Make, classify, keep; until the time is up."""
    started = time.perf_counter()
    counts = {kind: getattr(options, kind) for kind in (PLAIN, "stain", "swapped", "blurred", "blank")}
    rows = [answered(kept, REAL, f"{REAL}-{path.name}", "", path, bundle) for path in options.real]
    for case in cases(bundle.spec.class_ids, counts, options.size, options.work):
        if options.seconds is not None and time.perf_counter() - started > options.seconds:
            break
        slide = options.work / f"{case.name}.tiff"
        if not slide.is_file():
            partial = options.work / "partial.tiff"
            case.make(partial)
            partial.rename(slide)
        rows.append(answered(kept, case.kind, case.name, case.truth, slide, bundle))
        print(f"{case.name}: {rows[-1]['decision']} {' '.join(rows[-1]['reasons'])}", flush=True)
    return rows


def interval(hits: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share."""
    tail = (1 - level) / 2
    low = beta.ppf(tail, hits, of - hits + 1) if hits else 0.0
    high = beta.ppf(1 - tail, hits + 1, of - hits) if hits < of else 1.0
    return float(low), float(high)


def share(hits: int, of: int) -> str:
    """A share with its interval."""
    low, high = interval(hits, of)
    return f"{hits} of {of} ({hits / of:.1%}, interval {low:.1%} to {high:.1%})"


def report(rows: list[dict], bundle: Bundle) -> dict[str, object]:
    """Print the figures beside their bounds, and give them back."""
    ids, calibration = bundle.spec.class_ids, bundle.calibration
    known = [one for one in rows if one["kind"] == PLAIN and one["fused"]]
    figures: dict[str, object] = {"slides": len(rows)}
    if known:
        probabilities = np.array([[one["fused"][name] for name in ids] for one in known])
        truth = np.array([ids.index(one["truth"]) for one in known])
        right = probabilities.argmax(axis=1) == truth
        error = expected_calibration_error(probabilities.max(axis=1), right)
        sets = [calibration.prediction_set(p) for p in probabilities]
        held = sum(t in chosen for t, chosen in zip(truth.tolist(), sets, strict=True))
        sizes = np.mean([len(chosen) for chosen in sets])
        print(f"\naccuracy on held-out phantoms {share(int(right.sum()), len(known))}")
        print(f"expected calibration error {error:.3f} (bound {ERROR_BOUND})")
        print(f"{calibration.coverage:.0%} sets hold the truth in {share(held, len(known))}, {sizes:.2f} classes each")
        figures |= {"accuracy": float(right.mean()), "ece": error, "coverage": held / len(known), "sets": len(known)}
    refused: dict[str, tuple[int, int]] = {}
    for kind in dict.fromkeys(one["kind"] for one in rows):
        those = [one for one in rows if one["kind"] == kind]
        refused[kind] = (sum(one["decision"] == "abstain" for one in those), len(those))
    foreign = [pair for kind, pair in refused.items() if kind != PLAIN]
    for kind, (hits, of) in refused.items():
        reasons = sorted({code for one in rows if one["kind"] == kind for code in one["reasons"]})
        bound = f" (bound: at most {REFUSED_AT_MOST:.0%})" if kind == PLAIN else ""
        print(f"refused {kind:8s} {share(hits, of)}{bound}; {', '.join(reasons) or 'no reason'}")
    if foreign:
        hits, of = (sum(column) for column in zip(*foreign, strict=True))
        print(f"refused foreign, all kinds {share(hits, of)} (bound: at least {REFUSED_AT_LEAST:.0%})")
        figures["refused_foreign"] = hits / of
    figures["refused"] = refused
    return figures


def main() -> None:
    """Parse the arguments and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="where slides and answers are kept")
    parser.add_argument("--model", default="nb-phantom")
    parser.add_argument("--size", type=int, default=2048, help="pixels of 0.5 um")
    parser.add_argument("--plain", type=int, default=24)
    parser.add_argument("--stain", type=int, default=12)
    parser.add_argument("--swapped", type=int, default=4)
    parser.add_argument("--blurred", type=int, default=8)
    parser.add_argument("--blank", type=int, default=4)
    parser.add_argument("--real", type=Path, nargs="*", default=[], help="slides of patients")
    parser.add_argument("--seconds", type=float, help="stop after about so long; the next run goes on")
    parser.add_argument("--json", type=Path, help="where to put the figures")
    options = parser.parse_args()
    if options.plain < max(options.swapped, options.blurred):
        parser.error("--plain must be at least as many as --swapped and --blurred, which are made from them")
    bundle = load_bundle(options.model)
    digest = file_sha256(bundle_folder(options.model) / SPEC_FILE)
    kept = options.work / f"answers-{digest[:12]}"
    kept.mkdir(parents=True, exist_ok=True)
    rows = gather(options, bundle, kept)
    figures = report(rows, bundle)
    if options.json:
        options.json.write_text(json.dumps({**figures, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
