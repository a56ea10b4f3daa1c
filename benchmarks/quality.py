"""How often blur, pen marks and folds are found, and how often they are seen where there are none.

Run: python benchmarks/quality.py [--slides 6] [--size 2048] [--first-seed 920000] [--real SLIDE ...] [--json OUT]

Phantoms of unseen seeds are rendered at 0.5 um per pixel and altered: blurred by a Gaussian (its width in um, with the
sensor's noise added again), made pale, marked with pens, folded (bands 24 to 80 um wide in which every optical density
is doubled), then compressed as JPEG. Phantoms have faults of their own; where they lie is known, and those places are
left out. For each alteration there are printed, tile by tile (tiles of 224 px, half of them tissue at least):

- sharpness at the 2nd, 50th and 98th percentile, the share called blurred, and the share that cannot be judged;
- for pens, the share found of the tiles that lost a fifth of their area to ink, and seen on tiles that nothing touched;
- for folds, the share found of the folded tissue's area, and seen of the area away from any fold; found is counted also
  by band;
- how many slides as a whole fail, and for what.

Beneath: milliseconds a tile, beside the bound of 0.4; and the sharpness of real slides, which must not be called
blurred.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from altered_phantoms import INKS, Specimen, marked, outlined, pale

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.phantom.confounders import Confounders, draw_confounders
from napari_mmlnb.phantom.layout import SPACING_UM, lay_out
from napari_mmlnb.phantom.noise import distance_to_zero
from napari_mmlnb.phantom.recipe import DECISIVE, draw_recipe
from napari_mmlnb.phantom.slide import render_phantom
from napari_mmlnb.phantom.truth import Subtype
from napari_mmlnb.quality.slide_quality import OverviewQuality, judge_slide, measure_overview
from napari_mmlnb.quality.tile_quality import TileQuality, measure_tiles
from napari_mmlnb.slides.overview import read_overview
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tile_grid import build_tile_grid
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.slides.tissue import find_tissue, tissue_in

FIRST_SEED = 920_000
MPP, TILE_PX, OVERVIEW_UM = 0.5, 224, 8.0
SUBTYPES: tuple[Subtype, ...] = ("ud", "pd", "d")
BLURS_UM = (0.5, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0)
MILLISECONDS_BOUND = 0.4


@dataclass(frozen=True)
class Drawn:
    """A phantom with the faults that it was drawn with.

    Parameters
    ----------
    specimen : Specimen
        The picture.
    faulty : ndarray
        (h, w) bool: folded, inked or out of focus as drawn.
    folded : ndarray
        (h, w) float32, extra layers of tissue, as drawn and as added.
    noise : float
        The sensor's, grey levels.
    """

    specimen: Specimen
    faulty: np.ndarray
    folded: np.ndarray
    noise: float


def draw(subtype: Subtype, seed: int, size: int) -> Drawn:
    """A phantom and its own faults, which are drawn from the same streams again."""
    rgb, optics, truth = render_phantom(subtype=subtype, seed=seed, size=(size, size), mpp=MPP)
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence([seed, list(DECISIVE).index(subtype)]).spawn(7)]
    layout = lay_out(streams[1], draw_recipe(streams[0], subtype), (size * MPP, size * MPP))
    own: Confounders = draw_confounders(streams[3], layout)
    tissue = outlined(truth, PixelGrid((size, size), (MPP, MPP)))
    glass = np.array([float(np.bincount(rgb[~tissue][:, channel], minlength=256).argmax()) for channel in range(3)])
    wide = [enlarged(one, size) for one in (own.fold, own.ink, own.defocus_um)]
    faulty = np.maximum(np.maximum(wide[0], wide[1]), wide[2]) > 0.02
    return Drawn(Specimen(rgb, tissue, MPP, glass), faulty, wide[0], optics.noise)


def enlarged(raster: np.ndarray, size: int) -> np.ndarray:
    """A raster of the phantom's plan on the pixels of the slide."""
    side = round(raster.shape[0] * SPACING_UM / MPP)
    return cv2.resize(raster, (side, side), interpolation=cv2.INTER_LINEAR)[:size, :size]


def blurred(drawn: Drawn, rng: np.random.Generator, width_um: float) -> Drawn:
    """Out of focus, with the noise that a sensor adds afterwards."""
    rgb = cv2.GaussianBlur(drawn.specimen.rgb.astype(np.float32), (0, 0), width_um / MPP)
    rgb += drawn.noise * rng.standard_normal(rgb.shape, dtype=np.float32)
    return replace(drawn, specimen=replace(drawn.specimen, rgb=np.clip(rgb + 0.5, 0, 255).astype(np.uint8)))


def folded(drawn: Drawn, rng: np.random.Generator, bands: int = 3) -> Drawn:
    """Bands of 24 to 80 um in which the section lies double."""
    shape = tuple(side // 8 for side in drawn.specimen.shape)
    places = np.argwhere(drawn.specimen.tissue[::8, ::8])
    extra = np.zeros(shape, np.float32)
    for _ in range(bands):
        row, column = places[rng.integers(len(places))]
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.1, 40))
        step = rng.uniform(300, 900) / (40 * 8 * MPP)
        path = np.array((column, row)) + np.cumsum(step * np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)
        line = np.full(shape, 255, np.uint8)
        cv2.polylines(line, [np.rint(path).astype(np.int32)], isClosed=False, color=0, thickness=1)
        half = rng.uniform(12, 40) / (8 * MPP)
        extra = np.maximum(extra, np.clip(3 * (1 - distance_to_zero(line) / half), 0, 1))
    wide = cv2.resize(extra, drawn.specimen.shape[::-1], interpolation=cv2.INTER_LINEAR)
    glass = drawn.specimen.glass.astype(np.float32)
    light = (np.maximum(drawn.specimen.rgb, 1) / glass) ** wide[..., None]
    return replace(drawn, specimen=drawn.specimen.behind(light), folded=np.maximum(drawn.folded, wide))


def altered(drawn: Drawn, rng: np.random.Generator, alteration: Callable[..., Specimen]) -> Drawn:
    """An alteration of `altered_phantoms`."""
    return replace(drawn, specimen=alteration(drawn.specimen, rng))


def inked(drawn: Drawn, rng: np.random.Generator, ink: str) -> Drawn:
    """Pen marks of `altered_phantoms`, drawn on empty glass at a quarter of the scale: strokes hold no detail."""
    specimen = drawn.specimen
    tissue = specimen.tissue[::4, ::4].copy()
    sheet = Specimen(np.full((*tissue.shape, 3), 255, np.uint8), tissue, 4 * MPP, np.full(3, 255.0))
    sheet = marked(sheet, rng, ink)
    size = specimen.shape[::-1]
    light = cv2.resize(sheet.rgb, size, interpolation=cv2.INTER_LINEAR) / np.float32(255)
    left = cv2.resize(sheet.tissue.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return replace(drawn, specimen=replace(specimen.behind(light), tissue=specimen.tissue & left))


def pale_and_blurred(drawn: Drawn, rng: np.random.Generator, width_um: float) -> Drawn:
    """A quarter of the stain, out of focus."""
    return blurred(altered(drawn, rng, partial(pale, strength=0.25)), rng, width_um)


ALTERATIONS: dict[str, Callable[[Drawn, np.random.Generator], Drawn]] = {
    "plain": lambda drawn, _rng: drawn,
    "pale, a half": partial(altered, alteration=partial(pale, strength=0.5)),
    "pale, a quarter": partial(altered, alteration=partial(pale, strength=0.25)),
    **{f"blur {width:g} um": partial(blurred, width_um=width) for width in BLURS_UM},
    "pale quarter, blur 2 um": partial(pale_and_blurred, width_um=2.0),
    **{f"{ink} pen": partial(inked, ink=ink) for ink in INKS},
    "folds": folded,
}


@dataclass(frozen=True)
class Seen:
    """What was seen on one altered slide; shares are (found or seen, of how many)."""

    alteration: str
    sharpness: list[float]
    tiles: int
    pen_found: tuple[int, int]
    pen_false: tuple[int, int]
    fold_found: tuple[int, int]
    fold_false: tuple[int, int]
    bands_found: tuple[int, int]
    failed: list[str]


def look(name: str, before: Drawn, after: Drawn) -> Seen:
    """Compress, measure, compare with the truth."""
    coded = cv2.imencode(".jpg", after.specimen.rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    rgb = np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1])
    step = round(OVERVIEW_UM / MPP)
    small = cv2.resize(rgb, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
    tissue = tissue_in(small, OVERVIEW_UM)
    overview = measure_overview(small, tissue, OVERVIEW_UM)
    places = tile_places(before.specimen)
    pixels = np.stack([rgb[place] for place in places])
    tiles = measure_tiles(pixels, MPP, overview.glass)
    clean = np.array([not before.faulty[place].any() for place in places])
    changed = np.abs(after.specimen.rgb.astype(np.int16) - before.specimen.rgb).max(axis=2) > 12
    lost = before.specimen.tissue & ~after.specimen.tissue if name.endswith("pen") else np.zeros_like(changed)
    covered = clean & np.array([lost[place].mean() >= 0.2 for place in places])
    untouched = clean & np.array([not changed[place].any() for place in places])
    called = np.nan_to_num(tiles.pen) >= 0.1
    quality = judge_slide(tiles, overview)
    return Seen(
        name,
        tiles.sharpness[clean].tolist(),
        int(clean.sum()),
        (int((called & covered).sum()), int(covered.sum())),
        (int((called & untouched).sum()), int(untouched.sum())),
        *fold_counts(after, overview, tissue, step),
        [one.kind for one in quality.findings if not one.passed],
    )


def fold_counts(
    after: Drawn, overview: OverviewQuality, tissue: np.ndarray, step: int
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Folded area found, unfolded area seen as folded, and bands of which any part was found."""
    extra = cv2.resize(after.folded, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
    true, near = (extra > 0.5) & tissue, cv2.dilate((extra > 0.05).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    away = tissue & ~near
    count, labels = cv2.connectedComponents(true.astype(np.uint8))
    large = [label for label in range(1, count) if np.count_nonzero(labels == label) >= 30]
    hit = [label for label in large if (overview.folds & (labels == label)).any()]
    return (
        (int((overview.folds & true).sum()), int(true.sum())),
        (int((overview.folds & away).sum()), int(away.sum())),
        (len(hit), len(large)),
    )


def tile_places(specimen: Specimen) -> list[tuple[slice, slice]]:
    """Tiles of which half is tissue."""
    places = [
        (slice(top, top + TILE_PX), slice(left, left + TILE_PX))
        for top in range(0, specimen.shape[0] - TILE_PX + 1, TILE_PX)
        for left in range(0, specimen.shape[1] - TILE_PX + 1, TILE_PX)
    ]
    return [place for place in places if specimen.tissue[place].mean() >= 0.5]


def percent(parts: list[tuple[int, int]]) -> str:
    """A share of all slides together."""
    part, whole = (sum(column) for column in zip(*parts, strict=True))
    return f"{100 * part / whole:.2f} % of {whole}" if whole else "none"


def print_seen(name: str, seen: list[Seen]) -> None:
    """What one alteration comes to."""
    sharpness = np.array([value for one in seen for value in one.sharpness])
    judged = sharpness[~np.isnan(sharpness)]
    low, middle, high = np.percentile(judged, (2, 50, 98)) if len(judged) else (np.nan,) * 3
    failed = Counter(kind for one in seen for kind in one.failed)
    print(
        f"{name:24s} sharpness {low:.2f} {middle:.2f} {high:.2f}; blurred {100 * (judged < 1).mean():.1f} % of "
        f"{len(judged)} tiles, {100 * np.isnan(sharpness).mean():.1f} % not judged; slides failing: "
        f"{', '.join(f'{kind} {times}' for kind, times in failed.items()) or 'none'} of {len(seen)}"
    )
    if "pen" in name or name == "plain":
        found, false = percent([one.pen_found for one in seen]), percent([one.pen_false for one in seen])
        print(f"{'':24s} pen found on {found} tiles; seen on {false} untouched tiles")
    if name in ("folds", "plain"):
        found, false = percent([one.fold_found for one in seen]), percent([one.fold_false for one in seen])
        bands = percent([one.bands_found for one in seen])
        print(f"{'':24s} fold found on {found} px of folds, {bands} bands; seen on {false} px without", flush=True)


def milliseconds(rounds: int = 5, tiles: int = 64) -> float:
    """Best time a tile, one thread, by the processor's clock."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    noise = rng.normal(170, 30, (tiles, TILE_PX // 4, TILE_PX // 4, 3)).clip(0, 255).astype(np.uint8)
    pixels = np.stack([cv2.resize(one, (TILE_PX, TILE_PX), interpolation=cv2.INTER_CUBIC) for one in noise])
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        measure_tiles(pixels, MPP, (243.0, 243.0, 243.0))
        best = min(best, 1e3 * (time.process_time() - started) / tiles)
    cv2.setNumThreads(threads)
    return best


def real_slide(path: Path) -> str:
    """Sharpness of a real slide, and what is said of it."""
    with open_slide(path) as slide:
        tissue = find_tissue(slide)
        overview = measure_overview(read_overview(slide, OVERVIEW_UM).rgb, tissue.mask, OVERVIEW_UM)
        parts = []
        with TileReader(slide, build_tile_grid(tissue, TILE_PX, MPP)) as reader:
            for batch in reader:
                parts.append(measure_tiles(batch.pixels, MPP, overview.glass, batch.readable))
    tiles = TileQuality.joined(parts)
    quality = judge_slide(tiles, overview)
    low = float(np.nanmin(tiles.sharpness))
    return (
        f"{path.name}: {len(tiles)} tiles, sharpness at least {low:.2f}, median {quality.median_sharpness:.2f}, "
        f"{int(tiles.blurred.sum())} blurred; folds {overview.fold_share:.2%}, pen {overview.pen_mm2:.4f} mm2; "
        f"{' '.join(quality.reasons) or 'all limits kept'}"
    )


def main() -> None:
    """Parse the arguments and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slides", type=int, default=6)
    parser.add_argument("--size", type=int, default=2048, help="pixels of 0.5 um")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--real", type=Path, nargs="*", default=[], help="real slides that are sharp")
    parser.add_argument("--json", type=Path, help="where to put the figures")
    args = parser.parse_args()
    results: list[Seen] = []
    for number in range(args.slides):
        seed = args.first_seed + number
        drawn = draw(SUBTYPES[number % 3], seed, args.size)
        for name, alteration in ALTERATIONS.items():
            results.append(look(name, drawn, alteration(drawn, np.random.default_rng(seed))))
    for name in ALTERATIONS:
        print_seen(name, [one for one in results if one.alteration == name])
    spent = milliseconds()
    print(f"{spent:.3f} ms a tile (at most {MILLISECONDS_BOUND}) {'met' if spent <= MILLISECONDS_BOUND else 'NOT MET'}")
    for path in args.real:
        print(real_slide(path), flush=True)
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(one) for one in results], indent=2) + "\n")


if __name__ == "__main__":
    main()
