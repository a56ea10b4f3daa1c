"""Which cells and small structures lie where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_mmlnb.phantom.layout import SPACING_UM, Layout
from napari_mmlnb.phantom.noise import Field, smooth_field
from napari_mmlnb.phantom.recipe import LABEL, Recipe
from napari_mmlnb.phantom.truth import DIFFERENTIATING, NEUROBLASTIC

Points = npt.NDArray[np.float64]

DRAWING_ORDER = (
    "adipocyte",
    "vessel",
    "rosette",
    "ghost",
    "red_cell",
    "spindle",
    "apoptotic_dust",
    "lymphocyte",
    "neuroblast",
    "mitosis",
    "karyorrhexis",
    "differentiating",
    "ganglion_like",
    "calcification",
)
"""Kinds of object, those drawn later on top."""

_CODE = {kind: code for code, kind in enumerate(DRAWING_ORDER)}


@dataclass(frozen=True)
class Population:
    """Every object of a slide; arrays of one length, in drawing order.

    Parameters
    ----------
    position : ndarray
        (n, 2), (y, x), micrometres.
    kind : ndarray
        (n,) int8, index into `DRAWING_ORDER`.
    angle : ndarray
        (n,), radians, for what has a direction.
    radius : ndarray
        (n,), micrometres, for vessels, rosettes, deposits and fat cells; 0 for cells, whose size is the stamp's.
    """

    position: Points
    kind: npt.NDArray[np.int8]
    angle: npt.NDArray[np.float64]
    radius: npt.NDArray[np.float64]

    def of(self, *kinds: str) -> npt.NDArray[np.bool_]:
        """Which objects are of these kinds, (n,) bool."""
        return np.isin(self.kind, [_CODE[kind] for kind in kinds])

    def counts(self) -> dict[str, int]:
        """Number of objects a kind, those of size 0 left out."""
        numbers = np.bincount(self.kind, minlength=len(DRAWING_ORDER))
        return {kind: int(n) for kind, n in zip(DRAWING_ORDER, numbers, strict=True)}


class _Crowd:
    """Objects gathered so far, a list of arrays a kind."""

    def __init__(self) -> None:
        self.position: dict[str, Points] = {kind: np.empty((0, 2)) for kind in DRAWING_ORDER}
        self.angle: dict[str, npt.NDArray[np.float64]] = {kind: np.empty(0) for kind in DRAWING_ORDER}
        self.radius: dict[str, npt.NDArray[np.float64]] = {kind: np.empty(0) for kind in DRAWING_ORDER}

    def add(
        self,
        kind: str,
        position: Points,
        angle: npt.NDArray[np.float64] | None = None,
        radius: npt.NDArray[np.float64] | float = 0.0,
    ) -> None:
        n = len(position)
        self.position[kind] = np.concatenate([self.position[kind], position])
        self.angle[kind] = np.concatenate([self.angle[kind], np.zeros(n) if angle is None else angle])
        self.radius[kind] = np.concatenate([self.radius[kind], np.broadcast_to(radius, n)])

    def keep(self, kind: str, which: npt.NDArray[np.bool_]) -> None:
        for table in (self.position, self.angle, self.radius):
            table[kind] = table[kind][which]

    def clear_around(self, centres: Points, radii: npt.NDArray[np.float64] | float, kinds: tuple[str, ...]) -> None:
        """Take away what lies within a distance of the centres."""
        if not len(centres):
            return
        tree = cKDTree(centres)
        limits = np.broadcast_to(radii, len(centres))
        for kind in kinds:
            if len(self.position[kind]):
                near = tree.query_ball_point(self.position[kind], float(limits.max()))
                hit = [
                    any(np.hypot(*(p - centres[i])) < limits[i] for i in found) if found else False
                    for p, found in zip(self.position[kind], near, strict=True)
                ]
                self.keep(kind, ~np.asarray(hit, bool))

    def total(self, kinds: tuple[str, ...]) -> int:
        return sum(len(self.position[kind]) for kind in kinds)

    def freeze(self) -> Population:
        kind = np.repeat(np.arange(len(DRAWING_ORDER)), [len(self.position[k]) for k in DRAWING_ORDER])
        return Population(
            position=np.concatenate([self.position[k] for k in DRAWING_ORDER]),
            kind=kind.astype(np.int8),
            angle=np.concatenate([self.angle[k] for k in DRAWING_ORDER]),
            radius=np.concatenate([self.radius[k] for k in DRAWING_ORDER]),
        )


def scatter(rng: np.random.Generator, density: Field, distance: Field | float, layout: Layout) -> Points:
    """Points of a given density that keep off each other.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the points.
    density : ndarray
        Shape of the layout's grid, points per square micrometre.
    distance : ndarray or float
        Distance that neighbours try to keep, micrometres; a raster or one number.
    layout : Layout
        For the grid.

    Returns
    -------
    ndarray
        (n, 2), (y, x), micrometres.
    """
    numbers = rng.poisson(density * SPACING_UM**2)
    rows, columns = np.nonzero(numbers)
    times = numbers[rows, columns]
    corner = np.stack([np.repeat(rows, times), np.repeat(columns, times)], axis=1)
    points: Points = (corner + rng.random(corner.shape)) * SPACING_UM
    neighbours = min(5, len(points))
    if neighbours < 2:
        return points
    apart = layout.at(distance, points[:, 0], points[:, 1]) if isinstance(distance, np.ndarray) else distance
    apart = np.broadcast_to(np.asarray(apart, float), len(points))
    for _ in range(3):
        gap, other = cKDTree(points).query(points, k=neighbours)
        away = points[:, None] - points[other[:, 1:]]
        push = np.clip(apart[:, None] - gap[:, 1:], 0.0, None) / np.maximum(gap[:, 1:], 0.2)
        points = points + 0.35 * (away * push[..., None]).sum(axis=1)
    inside = layout.at(layout.tissue, points[:, 0], points[:, 1])
    kept: Points = points[np.asarray(inside, bool)]
    return kept


def populate(rng: np.random.Generator, recipe: Recipe, layout: Layout) -> Population:
    """Fill a layout with cells and small structures.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all chance in it.
    recipe : Recipe
        How many of what.
    layout : Layout
        Where the kinds of tissue lie.

    Returns
    -------
    Population
    """
    crowd = _Crowd()
    _tumour(rng, recipe, layout, crowd)
    _rosettes(rng, recipe, layout, crowd)
    _differentiating(rng, recipe, layout, crowd)
    _supporting(rng, recipe, layout, crowd)
    _vessels(rng, layout, crowd)
    _deposits(rng, recipe, layout, crowd)
    _trim(layout, crowd)
    _settle(rng, recipe, layout, crowd)
    _mitoses(rng, recipe, layout, crowd)
    return crowd.freeze()


def _uniform(rng: np.random.Generator, mask: npt.NDArray[np.bool_], number: int) -> Points:
    """Points anywhere in a mask."""
    rows, columns = np.nonzero(mask)
    if not len(rows) or number <= 0:
        return np.empty((0, 2))
    pick = rng.integers(len(rows), size=number)
    return (np.stack([rows[pick], columns[pick]], axis=1) + rng.random((number, 2))) * SPACING_UM


def _per_mm2(rng: np.random.Generator, mask: npt.NDArray[np.bool_], rate: float) -> Points:
    return _uniform(rng, mask, int(rng.poisson(rate * mask.sum() * SPACING_UM**2 * 1e-6)))


def _tumour(rng: np.random.Generator, recipe: Recipe, layout: Layout, crowd: _Crowd) -> None:
    """Neuroblasts: packed in solid areas and nests, few in neuropil."""
    packed = 0.92 / recipe.spacing_um**2
    uneven = np.exp(0.16 * smooth_field(rng, layout.grid.shape, 90.0 / SPACING_UM))
    density = np.zeros(layout.grid.shape, np.float32)
    density[layout.mask("solid")] = packed
    density[layout.mask("neuropil", "differentiating")] = 0.9 * packed
    density[layout.lakes] = packed * rng.uniform(0.06, 0.2)
    density[layout.mask("necrosis")] = 0.0
    crowd.add("neuroblast", scatter(rng, density * uneven, recipe.spacing_um, layout))


def _rosettes(rng: np.random.Generator, recipe: Recipe, layout: Layout, crowd: _Crowd) -> None:
    """Homer-Wright rosettes: a ring of neuroblasts around a core of neuropil."""
    centres = _per_mm2(rng, layout.mask("neuropil", "differentiating"), recipe.rosettes_per_mm2)
    kept: list[Points] = []
    for centre in centres:
        if all(np.hypot(*(centre - other)) > 75.0 for other in kept):
            kept.append(centre)
    if not kept:
        return
    centres = np.array(kept)
    core = rng.uniform(11.0, 19.0, len(centres))
    crowd.clear_around(centres, core + 10.0, ("neuroblast",))
    crowd.add("rosette", centres, radius=core)
    for centre, radius in zip(centres, core, strict=True):
        for ring, chance in ((radius + 4.0, 0.97), (radius + 11.0, 0.8)):
            n = int(2.0 * np.pi * ring / (recipe.nucleus_um * 2.0 + 0.6))
            theta = (np.arange(n) + rng.uniform(-0.3, 0.3, n)) / n * 2.0 * np.pi + rng.uniform(0.0, 6.0)
            theta = theta[rng.random(n) < chance]
            reach = ring * (1.0 + 0.12 * np.cos(2.0 * theta + rng.uniform(0.0, 6.0))) + rng.normal(0.0, 1.0, len(theta))
            crowd.add("neuroblast", centre + reach[:, None] * np.stack([np.sin(theta), np.cos(theta)], axis=1))


def _differentiating(rng: np.random.Generator, recipe: Recipe, layout: Layout, crowd: _Crowd) -> None:
    """Differentiating neuroblasts and ganglion-like cells; few, in PD, and none in UD."""
    if recipe.subtype == "ud":
        return
    area = layout.mask("differentiating" if recipe.subtype == "d" else "neuropil")
    small = crowd.position["neuroblast"]
    if not len(small) or not area.any():
        return
    here = int(np.count_nonzero(layout.at(area, small[:, 0], small[:, 1])))
    pool = here if recipe.subtype == "d" else len(small)
    wanted = recipe.differentiating / (1.0 - recipe.differentiating) * pool
    clumped = np.exp(0.7 * smooth_field(rng, layout.grid.shape, 60.0 / SPACING_UM)) * area * (0.5 + layout.lakes)
    density = (clumped * (wanted / max(clumped.sum(), 1e-6) / SPACING_UM**2)).astype(np.float32)
    points = scatter(rng, density, 21.0, layout)
    points = points[np.asarray(layout.at(area, points[:, 0], points[:, 1]), bool)]
    ganglion = rng.random(len(points)) < recipe.ganglion
    crowd.clear_around(points, np.where(ganglion, 14.0, 10.0), ("neuroblast",))
    crowd.add("ganglion_like", points[ganglion])
    crowd.add("differentiating", points[~ganglion])


def _supporting(rng: np.random.Generator, recipe: Recipe, layout: Layout, crowd: _Crowd) -> None:
    """Schwann cells and fibroblasts, lymphocytes, fat cells, red cells, dying cells."""
    shape = layout.grid.shape
    spindle = np.zeros(shape, np.float32)
    for kind, rate in (("stroma", 1.5e-3), ("muscle", 0.8e-3), ("hyaline", 0.35e-3), ("oedema", 0.55e-3)):
        spindle[layout.mask(kind)] = rate * rng.uniform(0.6, 1.5)
    spindle[layout.lakes] = rng.uniform(0.0, 1.2e-4)
    points = scatter(rng, spindle, 9.0, layout)
    crowd.add("spindle", points, _fibre_angle(layout, points) + rng.normal(0.0, 0.16, len(points)))

    aggregate = np.where(layout.mask("lymphoid"), 0.9 / rng.uniform(6.2, 8.0) ** 2, 0.0).astype(np.float32)
    aggregate *= np.clip(1.0 + 0.35 * smooth_field(rng, shape, 30.0), 0.2, 1.4)
    stray = recipe.lymphocytes_per_mm2 * 1e-6
    for kind, factor in (("stroma", 3.0), ("oedema", 2.0), ("hyaline", 0.7), ("fat", 1.0), ("neuropil", 0.6)):
        aggregate[layout.mask(kind)] = stray * factor
    crowd.add("lymphocyte", scatter(rng, aggregate, 5.4, layout))

    fat = np.where(layout.mask("fat"), 1.25 / 46.0**2, 0.0).astype(np.float32)
    points = scatter(rng, fat, 46.0, layout)
    crowd.add("adipocyte", points, radius=rng.uniform(18.0, 27.0, len(points)))

    blood = np.where(layout.mask("haemorrhage"), 0.021 * rng.uniform(0.5, 1.0), 0.0).astype(np.float32)
    blood *= np.clip(1.0 + 0.55 * smooth_field(rng, shape, 25.0), 0.05, 1.6)
    crowd.add("red_cell", scatter(rng, blood, 6.2, layout))

    necrosis = layout.mask("necrosis").astype(np.float32)
    uneven = np.exp(0.5 * smooth_field(rng, shape, 30.0))
    crowd.add("ghost", scatter(rng, necrosis * 0.0045 * rng.uniform(0.5, 1.3) * uneven, 9.0, layout))
    dust = necrosis * 0.0022 * rng.uniform(0.4, 1.6) / uneven
    dust += layout.mask("solid", "neuropil") * np.float32(2e-5)
    crowd.add("apoptotic_dust", scatter(rng, dust, 3.0, layout))
    surviving = necrosis * rng.uniform(0.0, 6e-4)
    crowd.add("lymphocyte", scatter(rng, surviving, 7.0, layout))


def _fibre_angle(layout: Layout, points: Points) -> npt.NDArray[np.float64]:
    doubled = np.asarray(layout.at(layout.angle, points[:, 0], points[:, 1]), float)
    angle: npt.NDArray[np.float64] = 0.5 * np.arctan2(doubled[:, 1], doubled[:, 0])
    return angle


def _vessels(rng: np.random.Generator, layout: Layout, crowd: _Crowd) -> None:
    """Small vessels with endothelium, some with blood in them."""
    where = layout.mask("stroma", "solid", "neuropil", "differentiating", "oedema", "muscle")
    centres = _per_mm2(rng, where & (layout.edge_um > 25.0), float(rng.uniform(4.0, 16.0)))
    radius = np.clip(rng.lognormal(2.2, 0.4, len(centres)), 4.5, 28.0)
    others = tuple(kind for kind in DRAWING_ORDER if kind not in ("adipocyte", "vessel", "calcification"))
    crowd.clear_around(centres, radius + 4.0, others)
    crowd.add("vessel", centres, rng.uniform(0.0, np.pi, len(centres)), radius)
    for centre, reach in zip(centres, radius, strict=True):
        n = int(rng.integers(2, 4) + reach / 4.0)
        theta = (np.arange(n) + rng.uniform(-0.35, 0.35, n)) / n * 2.0 * np.pi
        ring = centre + (reach + 1.2) * np.stack([np.sin(theta), np.cos(theta)], axis=1)
        crowd.add("spindle", ring, theta + np.pi / 2.0)
        if rng.random() < 0.6:
            n = int(0.017 * np.pi * reach**2 * rng.uniform(0.3, 1.0))
            away = (reach - 3.5) * np.sqrt(rng.random(n))
            theta = rng.uniform(0.0, 2.0 * np.pi, n)
            crowd.add("red_cell", centre + away[:, None] * np.stack([np.sin(theta), np.cos(theta)], axis=1))


def _deposits(rng: np.random.Generator, recipe: Recipe, layout: Layout, crowd: _Crowd) -> None:
    """Calcification, most of it in necrosis."""
    tumour = layout.mask("solid", "neuropil", "differentiating")
    for mask, factor in ((layout.mask("necrosis"), 3.0), (tumour, 0.5)):
        centres = _per_mm2(rng, mask & (layout.edge_um > 20.0), recipe.calcification_per_mm2 * factor)
        radius = np.clip(rng.lognormal(2.0, 0.55, len(centres)), 3.0, 32.0)
        crowd.clear_around(centres, radius, tuple(k for k in DRAWING_ORDER if k not in ("adipocyte", "rosette")))
        crowd.add("calcification", centres, radius=radius)


def _trim(layout: Layout, crowd: _Crowd) -> None:
    """Nothing hangs over the edge of the tissue or of the slide."""
    for kind in DRAWING_ORDER:
        points = crowd.position[kind]
        margin = 8.0 if kind in ("differentiating", "ganglion_like", "rosette") else 2.0
        depth = np.asarray(layout.at(layout.edge_um, points[:, 0], points[:, 1]), float)
        inside = ((points >= 0.0) & (points < layout.size_um)).all(axis=1)
        crowd.keep(kind, inside & (depth > margin))


def _settle(rng: np.random.Generator, recipe: Recipe, layout: Layout, crowd: _Crowd) -> None:
    """Bring the share of differentiating cells to the right side of the INPC's 5 %."""
    mature = crowd.total(DIFFERENTIATING)
    small = crowd.total(NEUROBLASTIC) - mature
    if recipe.subtype == "pd" and mature > 0.045 * (small + mature):
        allowed = 0.04 / 0.96 * small
        for kind in DIFFERENTIATING:
            crowd.keep(kind, rng.random(len(crowd.position[kind])) < allowed / mature)
    if recipe.subtype == "d" and mature < 0.058 * (small + mature):
        # Fewer small cells elsewhere, rather than an unlikely crowd of large ones.
        points = crowd.position["neuroblast"]
        elsewhere = np.asarray(layout.at(layout.labels, points[:, 0], points[:, 1])) != LABEL["differentiating"]
        surplus = small - mature * (1.0 - 0.062) / 0.062
        chance = min(surplus / max(int(elsewhere.sum()), 1), 0.9)
        crowd.keep("neuroblast", ~(elsewhere & (rng.random(len(points)) < chance)))


def _mitoses(rng: np.random.Generator, recipe: Recipe, layout: Layout, crowd: _Crowd) -> None:
    """Turn some neuroblasts into mitotic or karyorrhectic cells, unevenly over the slide."""
    points = crowd.position["neuroblast"]
    field = np.exp(0.5 * smooth_field(rng, layout.grid.shape, 250.0 / SPACING_UM))
    chance = recipe.mki / 100.0 * np.asarray(layout.at(field, points[:, 0], points[:, 1]), float) / 1.13
    struck = rng.random(len(points)) < chance
    mitotic = rng.random(len(points)) < 0.4
    crowd.add("mitosis", points[struck & mitotic], rng.uniform(0, np.pi, int((struck & mitotic).sum())))
    crowd.add("karyorrhexis", points[struck & ~mitotic])
    crowd.keep("neuroblast", ~struck)
