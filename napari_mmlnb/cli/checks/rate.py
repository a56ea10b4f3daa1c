"""How fast this machine encodes: the one thing that decides how long a slide takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from napari_mmlnb.cli.checks.finding import Check, Finding, State

SECONDS = 1.5
BATCH = 32
LARGE_SLIDE_TILES = 20_000


def _examine() -> Iterator[Finding]:
    from napari_mmlnb.bundles.registry import DEFAULT_BUNDLE

    rate, where = encode_rate()
    minutes = LARGE_SLIDE_TILES / rate / 60
    yield Finding(
        "rate",
        State.OK,
        f"{rate:.0f} tiles a second encoded by {DEFAULT_BUNDLE} on {where}: {minutes:.0f} minutes for a large slide of "
        f"{LARGE_SLIDE_TILES} tiles",
        facts={"tiles_per_s": round(rate, 1), "device": where},
    )


def encode_rate() -> tuple[float, str]:
    """Tiles of noise a second through the default bundle's encoder, as a run would encode them, and on what."""
    import numpy as np

    from napari_mmlnb.bundles.registry import load_bundle
    from napari_mmlnb.inference.bundle_runtime import bundle_runtime
    from napari_mmlnb.inference.device import choose_device

    device = choose_device().device
    bundle = load_bundle()
    side = bundle.spec.encoder.input_px
    noise = np.random.default_rng(0).integers(0, 256, (BATCH, side, side, 3), dtype=np.uint8)
    runtime = bundle_runtime(bundle, device).runtime
    step, done = runtime.piece or BATCH, 0
    pieces = [noise[at : at + step] for at in range(0, BATCH, step)]
    with ThreadPoolExecutor(runtime.streams) as pool:
        list(pool.map(runtime.encode, pieces))
        started = time.perf_counter()
        while time.perf_counter() - started < SECONDS:
            done += sum(len(features) for features in pool.map(runtime.encode, pieces))
    return done / (time.perf_counter() - started), f"{device.type} with {runtime.facts.name}"


CHECK = Check("rate", "Measuring how fast tiles are encoded", _examine)
