"""How good a bundle is on phantoms that nothing was fitted on.

Run: python benchmarks/held_out_phantoms.py [--model nb-phantom] [--slides-per-class 10] [--stain-shift 0]

Renders phantoms of unseen seeds, classifies them as `mmlnb classify` does, and prints accuracy with its confusion
matrix (the most probable class, whether or not the program abstained, and beside it what it answered), the accuracy of
each branch, expected calibration error, coverage of the prediction sets, and the attention's tile AUROC against the
truth's discriminative areas (a tile counts as discriminative when at least half of it is). The bounds are those of the
project's goals: accuracy at least 0.9, AUROC at least 0.85.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_mmlnb import classify, load_bundle
from napari_mmlnb.inference.settings import RunSettings
from napari_mmlnb.phantom.slide import write_phantom
from napari_mmlnb.phantom.truth import PhantomTruth
from napari_mmlnb.result import RunResult
from napari_mmlnb.training.metrics import auroc, confusion_matrix, expected_calibration_error

FIRST_HELD_OUT_SEED = 900_000
ACCURACY_BOUND, AUROC_BOUND = 0.90, 0.85


def attention_auroc(result: RunResult, truth: PhantomTruth) -> float:
    """AUROC of the attention over the slide's own tiles."""
    attention = result.maps.attention
    discriminative = truth.tile_map("discriminative")
    rows, columns = (min(a, b) for a, b in zip(attention.shape, discriminative.shape, strict=True))
    values, marks = attention[:rows, :columns], discriminative[:rows, :columns]
    known = np.isfinite(values)
    return auroc(values[known], marks[known] >= 0.5)


def main() -> None:
    """Render, classify, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nb-phantom")
    parser.add_argument("--slides-per-class", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=FIRST_HELD_OUT_SEED)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--stain-shift", type=float, default=0.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    bundle = load_bundle(options.model)
    ids = bundle.spec.class_ids
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(options.slides_per_class * len(ids)):
            subtype, seed = ids[i % len(ids)], options.first_seed + i
            path = Path(folder) / f"{seed}.tiff"
            size = (options.size, options.size)
            truth = write_phantom(path, subtype=subtype, seed=seed, size=size, stain_shift=options.stain_shift)
            started = time.perf_counter()
            result = classify(path, bundle, settings=RunSettings(cache_bytes=0))
            rows.append(row(result, truth, time.perf_counter() - started))
            path.unlink()
            print(json.dumps(rows[-1]), flush=True)
    report(rows, ids, bundle.calibration.coverage)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))


def row(result: RunResult, truth: PhantomTruth, seconds: float) -> dict[str, object]:
    """What is kept of one slide."""
    p = result.probabilities
    return {
        "seed": truth.seed,
        "truth": truth.subtype,
        "decision": result.decision,
        "reasons": [r.code for r in result.abstain_reasons],
        **{branch: max(getattr(p, branch), key=getattr(p, branch).get) for branch in ("image", "text", "fused")},
        "confidence": round(max(p.fused.values()), 3),
        "set": result.prediction_set,
        "gate": round(result.text_trust.gate, 3),
        "shift": round(result.shift.score, 2),
        "auroc": round(attention_auroc(result, truth), 3),
        "seconds": round(seconds, 1),
    }


def report(rows: list[dict], ids: tuple[str, ...], coverage: float) -> None:
    """Print the figures with their bounds."""
    truth = [ids.index(r["truth"]) for r in rows]
    print(f"\n{len(rows)} held-out phantoms")
    for branch in ("image", "text", "fused"):
        print(f"accuracy {branch:5s} {np.mean([r[branch] == r['truth'] for r in rows]):.3f}")
    print(f"(bound for fused: {ACCURACY_BOUND})\nconfusion, rows are the truth {ids}:")
    print(confusion_matrix(truth, [ids.index(r["fused"]) for r in rows], len(ids)))
    aurocs = np.array([r["auroc"] for r in rows])
    print(f"attention tile AUROC mean {np.nanmean(aurocs):.3f}, worst {np.nanmin(aurocs):.3f} (bound {AUROC_BOUND})")
    for class_id in ids:
        print(f"  {class_id}: {np.nanmean([r['auroc'] for r in rows if r['truth'] == class_id]):.3f}")
    correct = [r["fused"] == r["truth"] for r in rows]
    print(f"expected calibration error {expected_calibration_error([r['confidence'] for r in rows], correct):.3f}")
    answered = [r for r in rows if r["decision"] == "predict"]
    right = sum(r["fused"] == r["truth"] for r in answered)
    held = sum(r["truth"] in r["set"] for r in answered)
    print(
        f"answered {len(answered)} of {len(rows)}, {right} of them rightly; {held} sets hold the truth ({coverage:.0%})"
    )
    print(
        "abstained:",
        {code: sum(code in r["reasons"] for r in rows) for code in sorted({c for r in rows for c in r["reasons"]})},
    )


if __name__ == "__main__":
    main()
