"""How fast tiles are read, what that costs in memory, and whether reducing in the decoder changes what an encoder sees.

Run: python benchmarks/read.py SLIDE [--native SLIDE] [--rounds 7] [--tiles 2000]

SLIDE is a large JPEG slide (an Aperio SVS of 0.25 um per pixel with 240 px tiles is what the bounds were set on); the
slide after --native, with 256 px tiles, is read at its own scale, in tiles that lie across the stored ones. Every
figure stands beside its bound. Ratios are medians of ratios within rounds in which all ways are timed in turn.
"""

from __future__ import annotations

import argparse
import gc
from pathlib import Path

import numpy as np
import psutil
import torch

from napari_mmlnb.bundles.registry import load_bundle
from napari_mmlnb.cli.bench import read_lines
from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.read_rate import ReadFigures, measure_read, tissue_tiles
from napari_mmlnb.slides.slide import Slide, open_slide
from napari_mmlnb.slides.tile_grid import TileGrid
from napari_mmlnb.slides.tile_reader import TileReader

_MB = 2**20


def verdict(name: str, value: float | None, bound: float, *, at_most: bool = False) -> None:
    """One figure beside its bound."""
    if value is None:
        print(f"  {name}: not measured")
        return
    met = value <= bound if at_most else value >= bound
    word = "at most" if at_most else "at least"
    print(f"  {name}: {value:.3g} (bound: {word} {bound:g}) {'met' if met else 'NOT MET'}")


def speed(title: str, slide: Slide, tiles: TileGrid, rounds: int) -> ReadFigures:
    """Time the ways of reading, and print them."""
    slide.cache.clear()
    figures = measure_read(slide, tiles, rounds)
    print(title)
    for line in read_lines(figures):
        print(f"  {line}")
    return figures


def embeddings(slide: Slide, tiles: TileGrid, *, in_decoder: bool) -> np.ndarray:
    """EfficientNet-Lite0's last features of the tiles, (n, 1280)."""
    encoder = load_bundle("nb-phantom").encoder.eval()
    features = []
    with TileReader(slide, tiles, reduce_in_decoder=in_decoder) as reader, torch.inference_mode():
        for batch in reader:
            features.append(encoder(torch.from_numpy(batch.pixels)).numpy()[:, : encoder.network.num_features])
    return np.concatenate(features)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Row by row."""
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def reduction_in_the_decoder(slide: Slide, tiles: TileGrid) -> None:
    """Embeddings of tiles reduced in the decoder against those of the mean, and of a grid shifted by one pixel."""
    whole = embeddings(slide, tiles, in_decoder=False)
    reduced = cosines(whole, embeddings(slide, tiles, in_decoder=True))
    y, x = slide.grids[0].spacing_um
    moved = TileGrid(
        PixelGrid(tiles.grid.shape, tiles.grid.spacing_um, (y, x)), tiles.cells, tiles.tile_px, tiles.um_per_px
    )
    shifted = cosines(whole, embeddings(slide, moved, in_decoder=False))
    print(f"Embeddings of {len(tiles)} tiles, EfficientNet-Lite0, cosine to those of full decoding")
    print(f"  reduced in the decoder: mean {reduced.mean():.4f}, least {reduced.min():.4f}")
    print(f"  grid shifted by one level-0 pixel: mean {shifted.mean():.4f}, least {shifted.min():.4f}")
    verdict("mean cosine, reduced in the decoder", float(reduced.mean()), 0.99)


def resident_mb() -> float:
    """Of this process."""
    gc.collect()
    return psutil.Process().memory_info().rss / _MB


def memory(path: Path, count: int = 10_000, cycles: int = 50) -> None:
    """Resident memory while tiles are read, and over opening and closing."""
    with open_slide(path) as slide:
        tiles = tissue_tiles(slide, 224, 0.5, 0, 10**6)
        order = np.resize(np.arange(len(tiles)), count)
        after: dict[int, float] = {}
        with TileReader(slide, tiles, order=order) as reader:
            for index, _ in enumerate(reader, start=1):
                if index * 32 // 1000 != (index - 1) * 32 // 1000:
                    after[index * 32 // 1000 * 1000] = resident_mb()
    print(f"Resident memory over {count} tiles, MB: {', '.join(f'{n}: {mb:.0f}' for n, mb in after.items())}")
    values = list(after.values())
    half = len(values) // 2
    verdict("growth over the second half, MB", max(values[half:]) - max(values[:half]), 20, at_most=True)
    seen = []
    for _ in range(cycles):
        with open_slide(path) as slide:
            slide.pyramid[0][:600, :600]
            slide.thumbnail(512)
        seen.append(resident_mb())
    print(f"Resident memory over {cycles} times open, look, close, MB: first {seen[0]:.0f}, last {seen[-1]:.0f}")
    verdict("growth from the 10th to the last, MB", seen[-1] - seen[9], 20, at_most=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", type=Path)
    parser.add_argument("--native", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tiles", type=int, default=2000)
    options = parser.parse_args()
    with open_slide(options.slide) as slide:
        tiles = tissue_tiles(slide, 224, 0.5, 0, options.tiles)
        figures = speed("224 px at 0.5 um, across the stored tiles", slide, tiles, options.rounds)
        verdict("times OpenSlide", figures.ratio_to_openslide, 4)
        verdict("share of the decode bound", figures.share_of_decode_bound, 0.8)
        verdict("times OpenSlide, reduced in the decoder", figures.in_decoder_ratio_to_openslide, 5.5)
        reduction_in_the_decoder(slide, tissue_tiles(slide, 224, 0.5, 0, 300))
    if options.native:
        with open_slide(options.native) as slide:
            tiles = tissue_tiles(slide, 256, slide.mpp.x, 100, options.tiles)
            figures = speed("256 px at native scale, across the stored tiles", slide, tiles, options.rounds)
            verdict("times OpenSlide", figures.ratio_to_openslide, 5)
            verdict("share of the decode bound", figures.share_of_decode_bound, 0.85)
    memory(options.slide)


if __name__ == "__main__":
    main()
