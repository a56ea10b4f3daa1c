"""LazySlide in a process of its own, on request: started by `encode.py`, never by hand.

Each line on stdin is a request, JSON: `{"setting": ..., "tiles": N}`. Each answer is a line of JSON with the seconds of
LazySlide's own work. Imports, models and the opening of the slide are done before and not counted.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from lazyslide import pp, tl
from lazyslide_models.base import ImageModel
from wsidata import open_wsi

from napari_mmlnb.bundles.registry import load_bundle
from napari_mmlnb.inference.runtimes.registry import RUNTIMES

TILE_PX, UM_PER_PX = 224, 0.5


class Network(torch.nn.Module):
    """The encoder's network on normalised pictures, as LazySlide's default transform makes them."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pooled features."""
        return self.encoder.facts.pooling.pool(self.encoder.network, x)


class Backend(torch.nn.Module):
    """Our runtime as a torch module: bytes in, features out, all its streams at work."""

    def __init__(self, runtime: object) -> None:
        super().__init__()
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

        self.runtime = runtime
        self.pool = ThreadPoolExecutor(runtime.streams)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Features of (B, H, W, 3) uint8."""
        tiles, step = pixels.numpy(), self.runtime.piece or len(pixels)
        parts = self.pool.map(self.runtime.encode, [tiles[at : at + step] for at in range(0, len(tiles), step)])
        return torch.from_numpy(np.concatenate(list(parts)))


def as_bytes(picture: object) -> torch.Tensor:
    """The cheapest transform there is."""
    return torch.from_numpy(np.ascontiguousarray(picture))


def run(path: Path, model: torch.nn.Module, options: dict[str, object], limit: int) -> dict[str, float]:
    """One round: tissue, tiles, features of so many tiles; the first two for their share of the tiles only."""
    slide = open_wsi(path, store=None)
    started = time.perf_counter()
    pp.find_tissues(slide)
    pp.tile_tissues(slide, TILE_PX, mpp=UM_PER_PX)
    grid_s = time.perf_counter() - started
    tiles = slide.shapes["tiles"]
    total = len(tiles)
    first = max(0, (total - limit) // 2)
    slide.shapes["tiles"] = (
        tiles.iloc[first : first + limit].reset_index(drop=True).assign(tile_id=range(min(limit, total)))
    )
    started = time.perf_counter()
    tl.feature_extraction(slide, model, device="cpu", pbar=False, **options)
    encode_s = time.perf_counter() - started
    used = min(limit, total)
    return {"seconds": grid_s * used / total + encode_s, "grid_s": grid_s, "tiles": used, "total": total}


def main() -> None:
    """Answer requests until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("slide", type=Path)
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    encoder = load_bundle("nb-phantom").encoder
    runtime = RUNTIMES.get(given.runtime).build(encoder, torch.device("cpu"), TILE_PX)
    default, backend = Network(encoder), Backend(runtime)
    settings = {
        "default": (default, {"transform": ImageModel.get_transform(default)}),
        "backend": (backend, {"transform": as_bytes}),
        "backend, 1 worker": (backend, {"transform": as_bytes, "num_workers": 1, "batch_size": 64}),
        "backend, 2 workers": (backend, {"transform": as_bytes, "num_workers": 2, "batch_size": 64}),
    }
    answers = sys.stdout
    sys.stdout = sys.stderr
    print(json.dumps({"ready": sorted(settings)}), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        model, options = settings[asked["setting"]]
        print(json.dumps(run(given.slide, model, options, asked["tiles"])), file=answers, flush=True)


if __name__ == "__main__":
    main()
