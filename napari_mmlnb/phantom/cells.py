"""Cells as stamps: nuclei with their chromatin, and the cytoplasm around them.

Sizes and looks follow the usual descriptions of neuroblastic tumours: small round nuclei with finely speckled ("salt
and pepper") chromatin and hardly any cytoplasm; differentiating neuroblasts more than twice as wide as their nucleus,
which is eccentric and vesicular with a nucleolus, in eosinophilic cytoplasm; karyorrhexis as dark round fragments.
Undifferentiated tumours consist in good part of larger, uneven, vesicular nuclei with prominent nucleoli.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from napari_mmlnb.phantom.noise import Field
from napari_mmlnb.phantom.optics import BLOOD, EOSIN, HAEMATOXYLIN
from napari_mmlnb.phantom.outline import Outline, Plot, ramp
from napari_mmlnb.phantom.stamps import Stamp, StampSet

DIRECTIONS = 18


@dataclass(frozen=True)
class CellStyle:
    """What the cells of one slide have in common.

    Parameters
    ----------
    nucleus_um : float
        Typical radius of a neuroblast's nucleus, micrometres.
    chromatin : float
        Strength of haematoxylin in nuclei, 1 as usual.
    speckle : float
        Contrast of the chromatin, 1 as usual.
    cytoplasm : float
        Strength of eosin in cytoplasm, 1 as usual.
    amphophilia : float
        Haematoxylin in the cytoplasm of large cells, relative to eosin.
    large_nuclei : float
        Share of the neuroblasts with a large vesicular nucleus and prominent nucleoli, 0 to 1.
    """

    nucleus_um: float
    chromatin: float
    speckle: float
    cytoplasm: float
    amphophilia: float
    large_nuclei: float


def draw_style(rng: np.random.Generator, nucleus_um: float, large_nuclei: float) -> CellStyle:
    """Draw a slide's style."""
    return CellStyle(
        nucleus_um=nucleus_um,
        chromatin=float(rng.uniform(0.72, 1.0)),
        speckle=float(rng.uniform(0.8, 1.25)),
        cytoplasm=float(rng.uniform(0.85, 1.2)),
        amphophilia=float(rng.uniform(0.08, 0.35)),
        large_nuclei=large_nuclei,
    )


Drawer = Callable[[np.random.Generator, CellStyle, float, float], Stamp]


def _dots(
    rng: np.random.Generator,
    plot: Plot,
    number: int,
    reach: float,
    size: tuple[float, float],
    centre: tuple[float, float] = (0.0, 0.0),
) -> Field:
    """Small dark dots within a distance of a centre."""
    total = np.zeros(plot.shape, np.float32)
    for _ in range(number):
        away, theta = reach * np.sqrt(rng.random()), rng.uniform(0.0, 6.3)
        dy, dx = centre[0] + away * np.sin(theta), centre[1] + away * np.cos(theta)
        distance = np.hypot(plot.y - np.float32(dy), plot.x - np.float32(dx))
        total = np.maximum(total, ramp(np.float32(rng.uniform(*size)) - distance, max(plot.mpp, 0.5)))
    return total


def neuroblast(rng: np.random.Generator, style: CellStyle, mpp: float, _angle: float) -> Stamp:
    """A small round blue cell with finely speckled chromatin; a share of them as the slide's style says is larger."""
    if rng.random() < style.large_nuclei:
        return _large_nucleus(rng, style, mpp)
    radius = style.nucleus_um * float(np.exp(rng.normal(0.0, 0.10)))
    plot = Plot.of(radius * 1.45 + 2.0, mpp)
    outline = Outline.random(rng, radius, ragged=0.035, stretch=0.13)
    depth = plot.depth(outline)
    inside = ramp(depth, max(mpp, 0.55))
    rim = np.exp(-((depth - 0.35) ** 2) / 0.35)
    grains = 0.16 * plot.noise(rng, 1.0) + 0.10 * plot.noise(rng, 2.2)
    dots = _dots(rng, plot, int(rng.integers(5, 12)), 0.8 * radius, (0.35, 0.75))
    chromatin = 0.60 + style.speckle * (grains + 0.30 * dots) + 0.16 * rim
    chromatin *= style.chromatin * np.float32(np.exp(rng.normal(0.0, 0.13)))
    halo = ramp(depth + np.float32(rng.uniform(0.4, 1.3)), 1.0)
    skirt = halo * (1.0 - inside)
    haematoxylin = inside * np.clip(chromatin, 0.12, None) + 0.10 * skirt
    eosin = 0.10 * inside + 0.17 * style.cytoplasm * skirt
    return Stamp.of(0.8 * inside + 0.55 * skirt, {HAEMATOXYLIN: haematoxylin, EOSIN: eosin})


def _large_nucleus(rng: np.random.Generator, style: CellStyle, mpp: float) -> Stamp:
    """A neuroblast of an undifferentiated tumour: uneven outline, cleared chromatin, prominent nucleoli."""
    radius = style.nucleus_um * rng.uniform(1.12, 1.5)
    plot = Plot.of(radius * 1.45 + 2.5, mpp)
    outline = Outline.random(rng, radius, ragged=0.06, stretch=0.2)
    depth = plot.depth(outline)
    inside = ramp(depth, max(mpp, 0.55))
    rim = np.exp(-((depth - 0.4) ** 2) / 0.4)
    clumps = np.clip(0.14 * plot.noise(rng, 1.3) + 0.12 * plot.noise(rng, 2.8), -0.2, 0.6)
    nucleoli = _dots(rng, plot, int(rng.integers(1, 4)), 0.55 * radius, (0.9, 1.45))
    chromatin = 0.34 + style.speckle * clumps + 0.26 * rim + 0.62 * nucleoli
    chromatin *= style.chromatin * np.float32(np.exp(rng.normal(0.0, 0.13)))
    skirt = ramp(depth + np.float32(rng.uniform(0.9, 1.8)), 1.2) * (1.0 - inside)
    haematoxylin = inside * np.clip(chromatin, 0.1, None) + 0.12 * skirt
    eosin = 0.09 * inside + 0.16 * style.cytoplasm * skirt
    return Stamp.of(0.85 * inside + 0.55 * skirt, {HAEMATOXYLIN: haematoxylin, EOSIN: eosin})


def lymphocyte(rng: np.random.Generator, style: CellStyle, mpp: float, _angle: float) -> Stamp:
    """A small, very round, dense nucleus with a few blocks of chromatin."""
    radius = rng.uniform(2.35, 3.35)
    plot = Plot.of(radius + 2.5, mpp)
    outline = Outline.random(rng, radius, ragged=0.03, stretch=0.09)
    inside = plot.fill(outline, soft_um=0.5)
    blocks = _dots(rng, plot, 5, 0.75 * radius, (0.5, 0.9))
    chromatin = style.chromatin * (0.92 + 0.22 * blocks + 0.05 * plot.noise(rng, 0.8))
    skirt = ramp(plot.depth(outline) + np.float32(0.5), 0.8) * (1.0 - inside)
    return Stamp.of(
        0.9 * inside + 0.3 * skirt,
        {HAEMATOXYLIN: inside * chromatin + 0.05 * skirt, EOSIN: 0.06 * inside + 0.05 * skirt},
    )


def spindle(rng: np.random.Generator, style: CellStyle, mpp: float, angle: float) -> Stamp:
    """A thin, wavy nucleus of a Schwann cell or fibroblast."""
    length, width = rng.uniform(5.0, 10.5), rng.uniform(0.9, 1.8)
    plot = Plot.of(length + 1.0, mpp)
    jitter = angle + rng.normal(0.0, 0.06)
    c, s = np.float32(np.cos(jitter)), np.float32(np.sin(jitter))
    u, v = plot.x * c + plot.y * s, plot.y * c - plot.x * s
    v = v + np.float32(rng.normal(0.0, 0.7)) * np.sin(u * np.float32(np.pi / length) + np.float32(rng.uniform(0, 6.3)))
    half = width * np.sqrt(np.clip(1.0 - (u / np.float32(length)) ** 2, 0.0, None))
    inside = ramp((half - np.abs(v)).astype(np.float32), max(mpp, 0.5)) * (half > 0)
    chromatin = style.chromatin * (rng.uniform(0.5, 0.9) + 0.12 * plot.noise(rng, 1.0))
    return Stamp.of(0.75 * inside, {HAEMATOXYLIN: inside * np.clip(chromatin, 0.1, None), EOSIN: 0.08 * inside})


def _vesicular(
    rng: np.random.Generator, style: CellStyle, plot: Plot, radius: float, y: float, x: float
) -> tuple[Field, Field]:
    """A pale nucleus with a thin rim and a nucleolus: coverage and haematoxylin."""
    outline = Outline.random(rng, radius, ragged=0.025, stretch=0.10)
    depth = plot.depth(outline, y, x)
    inside = ramp(depth, max(plot.mpp, 0.5))
    rim = np.exp(-((depth - 0.4) ** 2) / 0.28)
    strands = np.clip(plot.noise(rng, 1.4), 0.0, 2.0)
    nucleoli = _dots(rng, plot, int(rng.integers(1, 3)), 0.4 * radius, (0.85, 1.35), (y, x))
    chromatin = style.chromatin * (0.20 + 0.30 * rim + 0.08 * style.speckle * strands + 0.75 * nucleoli)
    return inside, inside * chromatin


def _large(
    rng: np.random.Generator,
    style: CellStyle,
    mpp: float,
    radius: float,
    nucleus: float,
    nissl: float,
    nuclei: int = 1,
) -> Stamp:
    """A cell with much cytoplasm and eccentric vesicular nuclei."""
    plot = Plot.of(radius * 1.75, mpp)
    outline = Outline.random(rng, radius, ragged=0.07, stretch=0.16)
    depth = plot.depth(outline)
    body = ramp(depth, max(mpp, 0.8))
    # A cytoplasmic process, drawn out to one side.
    theta = rng.uniform(0.0, 6.3)
    c, s = np.float32(np.cos(theta)), np.float32(np.sin(theta))
    u, v = plot.x * c + plot.y * s, plot.y * c - plot.x * s
    taper = np.float32(0.42 * radius) * np.clip(1.0 - u / np.float32(radius * 1.6), 0.0, 1.0) ** 1.3
    tail = ramp(taper - np.abs(v), max(mpp, 0.8)) * (u > 0) * (taper > 0)
    body = np.maximum(body, tail * np.float32(rng.random() < 0.6))
    texture = 1.0 + 0.11 * plot.noise(rng, 1.2) + 0.10 * plot.noise(rng, 2.6) + 0.08 * plot.noise(rng, 7.0)
    eosin = 0.29 * style.cytoplasm * np.float32(np.exp(rng.normal(0.0, 0.14))) * texture
    granules = np.clip(plot.noise(rng, 1.7), 0.0, 2.2) * np.exp(-np.clip(depth, 0.0, None) / np.float32(0.35 * radius))
    haematoxylin = 0.30 * style.amphophilia * texture + nissl * granules
    membrane = np.exp(-((depth - 0.3) ** 2) / 0.6)
    eosin = body * (eosin + 0.06 * membrane)
    haematoxylin = body * np.clip(haematoxylin, 0.0, None)
    reach = max(radius - nucleus - 1.0, 0.0) * rng.uniform(0.55, 0.9)
    start = rng.uniform(0.0, 6.3)
    for index in range(nuclei):
        away = start + index * rng.uniform(1.6, 2.8)
        inside, chromatin = _vesicular(rng, style, plot, nucleus, reach * np.sin(away), reach * np.cos(away))
        haematoxylin = haematoxylin * (1.0 - inside) + chromatin
        eosin = eosin * (1.0 - 0.72 * inside)
    return Stamp.of(0.93 * body, {HAEMATOXYLIN: haematoxylin, EOSIN: eosin})


def differentiating(rng: np.random.Generator, style: CellStyle, mpp: float, _angle: float) -> Stamp:
    """A differentiating neuroblast: more than twice as wide as its nucleus."""
    nucleus = rng.uniform(3.9, 5.0)
    return _large(rng, style, mpp, nucleus * rng.uniform(2.1, 2.6), nucleus, rng.uniform(0.0, 0.05))


def ganglion_like(rng: np.random.Generator, style: CellStyle, mpp: float, _angle: float) -> Stamp:
    """A ganglion-like cell: larger still, with clumps of Nissl substance, sometimes with two nuclei."""
    nucleus = rng.uniform(4.6, 6.0)
    nuclei = 2 if rng.random() < 0.2 else 1
    return _large(rng, style, mpp, nucleus * rng.uniform(2.5, 3.4), nucleus, rng.uniform(0.04, 0.14), nuclei)


def mitosis(rng: np.random.Generator, style: CellStyle, mpp: float, angle: float) -> Stamp:
    """A dividing cell: a dark plate, or two, with fuzzy edges in clear cytoplasm."""
    cell = style.nucleus_um * 1.35
    plot = Plot.of(cell * 1.3 + 1.0, mpp)
    body = plot.fill(Outline.random(rng, cell, ragged=0.04, stretch=0.08), soft_um=0.8)
    c, s = np.cos(angle), np.sin(angle)
    apart = float(rng.choice((0.0, 1.9, 3.0), p=(0.6, 0.2, 0.2)))
    plates = np.zeros(plot.shape, np.float32)
    for side in (-1.0, 1.0) if apart else (0.0,):
        depth = plot.depth(
            Outline(2.0 + 0.3 * rng.random(), float(rng.uniform(1.35, 1.75)), angle),
            -side * apart * c,
            side * apart * s,
        )
        plates = np.maximum(plates, ramp(depth + 0.28 * plot.noise(rng, 1.4), max(mpp, 0.6)))
    haematoxylin = 1.3 * style.chromatin * plates + 0.05 * body * (1.0 - plates)
    return Stamp.of(0.85 * body, {HAEMATOXYLIN: haematoxylin, EOSIN: 0.12 * style.cytoplasm * body})


def karyorrhexis(rng: np.random.Generator, style: CellStyle, mpp: float, _angle: float) -> Stamp:
    """A dying cell: its nucleus in dark round fragments, its cytoplasm shrunken and pink."""
    cell = style.nucleus_um * rng.uniform(0.85, 1.15)
    plot = Plot.of(cell * 1.4 + 1.5, mpp)
    outline = Outline.random(rng, cell, ragged=0.05, stretch=0.1)
    depth = plot.depth(outline)
    body = ramp(depth, 1.6)
    halo = ramp(depth + np.float32(0.5), 1.6)
    fragments = _dots(rng, plot, int(rng.integers(3, 8)), 0.85 * cell, (0.55, 1.45))
    return Stamp.of(
        0.85 * halo,
        {
            HAEMATOXYLIN: 1.6 * style.chromatin * fragments + 0.04 * body,
            EOSIN: 0.24 * style.cytoplasm * body * (1 - fragments),
        },
    )


def ghost(rng: np.random.Generator, style: CellStyle, mpp: float, _angle: float) -> Stamp:
    """A dead cell that has kept its outline and lost its nucleus."""
    radius = rng.uniform(3.6, 6.5)
    plot = Plot.of(radius * 1.4 + 1.5, mpp)
    outline = Outline.random(rng, radius, ragged=0.09, stretch=0.14)
    depth = plot.depth(outline)
    body = ramp(depth, 1.6)
    shadow = plot.fill(Outline.random(rng, 0.5 * radius, ragged=0.1), soft_um=1.8)
    eosin = body * np.clip(0.23 + 0.06 * plot.noise(rng, 1.6), 0.05, None) * rng.uniform(0.75, 1.2)
    return Stamp.of(0.8 * body, {HAEMATOXYLIN: shadow * rng.uniform(0.02, 0.2), EOSIN: style.cytoplasm * eosin})


def apoptotic_dust(rng: np.random.Generator, style: CellStyle, mpp: float, _angle: float) -> Stamp:
    """Nuclear dust or a shrunken, structureless nucleus."""
    plot = Plot.of(4.5, mpp)
    if rng.random() < 0.5:
        grains = _dots(rng, plot, int(rng.integers(2, 7)), 2.6, (0.3, 0.75))
    else:
        grains = plot.fill(Outline.random(rng, rng.uniform(1.3, 2.4), ragged=0.09, stretch=0.2), soft_um=0.6)
    return Stamp.of(0.6 * grains, {HAEMATOXYLIN: grains * style.chromatin * rng.uniform(0.7, 1.3)})


def red_cell(rng: np.random.Generator, _style: CellStyle, mpp: float, _angle: float) -> Stamp:
    """A red blood cell: a smooth disc, paler in the middle."""
    radius = rng.uniform(2.6, 3.5)
    plot = Plot.of(radius * 1.3 + 1.0, mpp)
    depth = plot.depth(Outline.random(rng, radius, ragged=0.03, stretch=0.16))
    disc = ramp(depth, 0.6)
    dimple = np.clip(depth / np.float32(radius), 0.0, 1.0) ** 1.5
    pigment = disc * (rng.uniform(0.42, 0.6) - rng.uniform(0.05, 0.28) * dimple)
    return Stamp.of(0.8 * disc, {BLOOD: pigment.astype(np.float32), EOSIN: 0.04 * disc}, slice(0, 3))


_DRAWERS: dict[str, tuple[Drawer, int, bool]] = {
    "neuroblast": (neuroblast, 96, False),
    "lymphocyte": (lymphocyte, 40, False),
    "spindle": (spindle, 8 * DIRECTIONS, True),
    "differentiating": (differentiating, 44, False),
    "ganglion_like": (ganglion_like, 32, False),
    "mitosis": (mitosis, 30, False),
    "karyorrhexis": (karyorrhexis, 36, False),
    "ghost": (ghost, 36, False),
    "apoptotic_dust": (apoptotic_dust, 28, False),
    "red_cell": (red_cell, 24, False),
}


def cell_stamps(rng: np.random.Generator, style: CellStyle, mpp: float) -> dict[str, StampSet]:
    """Draw the stamps of all kinds of cell for one slide at `mpp` micrometres per pixel."""
    sets = {}
    for kind, (drawer, number, directed) in _DRAWERS.items():
        groups = DIRECTIONS if directed else 1
        angles = [np.pi * group / groups for group in range(groups) for _ in range(number // groups)]
        stamps = tuple(drawer(rng, style, mpp, angle if directed else float(rng.uniform(0, np.pi))) for angle in angles)
        sets[kind] = StampSet(stamps, directions=DIRECTIONS if directed else 0)
    return sets
