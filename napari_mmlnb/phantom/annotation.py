"""From what was drawn to what is known of it: regions, counts and tile attributes."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.phantom.layout import SPACING_UM, Layout
from napari_mmlnb.phantom.noise import Field
from napari_mmlnb.phantom.population import Population
from napari_mmlnb.phantom.recipe import DECISIVE, LABEL, Recipe
from napari_mmlnb.phantom.truth import DIFFERENTIATING, NEUROBLASTIC, TILE_UM, TileAttributes, TruthRegion

Mask = npt.NDArray[np.bool_]
Ring = npt.NDArray[np.float64]

_CELLS = (*NEUROBLASTIC, "lymphocyte", "spindle", "red_cell", "ghost")
_STRUCTURES = {"rosette": "rosettes", "vessel": "vessels", "calcification": "calcifications"}


def annotate_regions(layout: Layout, recipe: Recipe, smallest_um2: float = 400.0) -> tuple[TruthRegion, ...]:
    """Outlines of every connected area of one kind of tissue.

    Parameters
    ----------
    layout : Layout
        Where the tissues lie.
    recipe : Recipe
        For the subtype, which says what is discriminative.
    smallest_um2 : float
        Smaller areas are left out.
    """
    regions = []
    for kind, label in LABEL.items():
        for ring in outlines(layout.labels == label, layout.size_um, smallest_um2):
            polygon = tuple((round(float(y), 2), round(float(x), 2)) for y, x in ring)
            regions.append(TruthRegion(kind=kind, polygon_um=polygon, discriminative=kind == DECISIVE[recipe.subtype]))
    return tuple(regions)


def outlines(mask: Mask, size_um: tuple[float, float], smallest_um2: float) -> list[Ring]:
    """Rings around the areas of a mask on the layout's grid, micrometres, clipped to the slide; holes joined in."""
    # Twice enlarged, so that a contour through pixel centres lies a quarter of a layout pixel off the true border.
    fine = cv2.resize(mask.astype(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    contours, hierarchy = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = []
    for index, contour in enumerate(contours):
        if hierarchy[0][index][3] >= 0 or cv2.contourArea(contour) * (SPACING_UM / 2) ** 2 < smallest_um2:
            continue
        ring = _ring(contour)
        hole = hierarchy[0][index][2]
        while hole >= 0:
            if cv2.contourArea(contours[hole]) * (SPACING_UM / 2) ** 2 >= smallest_um2:
                ring = _joined(ring, _ring(contours[hole]))
            hole = hierarchy[0][hole][0]
        rings.append(np.clip(ring, 0.0, size_um))
    return rings


def _ring(contour: npt.NDArray[Any]) -> Ring:
    simple = cv2.approxPolyDP(contour, 1.0, True)[:, 0, ::-1]
    ring: Ring = (simple.astype(np.float64) + 0.5) * (SPACING_UM / 2)
    return ring


def _joined(ring: Ring, hole: Ring) -> Ring:
    """An outline and a hole as one ring, with a cut of no width between their nearest corners."""
    distance = np.hypot(*(ring[:, None] - hole[None]).transpose(2, 0, 1))
    i, j = np.unravel_index(int(distance.argmin()), distance.shape)
    around = np.concatenate([hole[j:], hole[: j + 1]])
    return np.concatenate([ring[: i + 1], around, ring[i:]])


def annotate_tiles(
    layout: Layout, population: Population, recipe: Recipe, tile_um: float = TILE_UM
) -> tuple[TileAttributes, ...]:
    """Attributes of every tile of the slide, squares of `tile_um` micrometres counted from its origin.

    `tile_um` is a multiple of the layout's spacing.
    """
    shape = (math.ceil(layout.size_um[0] / tile_um), math.ceil(layout.size_um[1] / tile_um))
    position, kinds = population.position, population
    neuroblastic = _tile_counts(position[kinds.of(*NEUROBLASTIC)], shape, tile_um)
    mature = _tile_counts(position[kinds.of(*DIFFERENTIATING)], shape, tile_um)
    dividing = _tile_counts(position[kinds.of("mitosis", "karyorrhexis")], shape, tile_um)
    rosettes = _tile_counts(position[kinds.of("rosette")], shape, tile_um)
    calcium = kinds.of("calcification")
    shares = {
        "tissue": layout.tissue,
        "neuropil": layout.lakes & layout.mask("neuropil", "differentiating"),
        "necrosis": layout.mask("necrosis"),
        "calcification": _discs(position[calcium], population.radius[calcium], layout.grid.shape),
        "discriminative": layout.mask(DECISIVE[recipe.subtype]),
    }
    areas = {name: _tile_shares(mask, shape, tile_um) for name, mask in shares.items()}
    cells = np.maximum(neuroblastic, 1)
    return tuple(
        TileAttributes(
            row=row,
            column=column,
            differentiating=round(float(mature[row, column] / cells[row, column]), 4),
            mki=round(float(100.0 * dividing[row, column] / cells[row, column]), 3),
            rosettes=int(rosettes[row, column]),
            neuroblastic_cells=int(neuroblastic[row, column]),
            **{name: round(float(area[row, column]), 4) for name, area in areas.items()},
        )
        for row in range(shape[0])
        for column in range(shape[1])
    )


def count_objects(population: Population) -> dict[str, int]:
    """Numbers of cells a kind and of structures."""
    counts = population.counts()
    return {kind: counts[kind] for kind in _CELLS} | {name: counts[kind] for kind, name in _STRUCTURES.items()}


def _tile_counts(points: Ring, shape: tuple[int, int], tile_um: float) -> npt.NDArray[np.int64]:
    cell = np.floor(points / tile_um).astype(np.int64)
    flat = np.bincount(cell[:, 0] * shape[1] + cell[:, 1], minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.int64)


def _tile_shares(mask: Mask, shape: tuple[int, int], tile_um: float) -> Field:
    """Share of each tile's full square that a mask of the layout's grid covers."""
    each = round(tile_um / SPACING_UM)
    full = np.zeros((shape[0] * each, shape[1] * each), np.float32)
    height, width = min(mask.shape[0], full.shape[0]), min(mask.shape[1], full.shape[1])
    full[:height, :width] = mask[:height, :width]
    share: Field = full.reshape(shape[0], each, shape[1], each).mean(axis=(1, 3))
    return share


def _discs(centres: Ring, radii: npt.NDArray[np.float64], shape: tuple[int, int]) -> Mask:
    canvas = np.zeros(shape, np.uint8)
    for (y, x), radius in zip(centres, radii, strict=True):
        centre = (round(float(x) / SPACING_UM - 0.5), round(float(y) / SPACING_UM - 0.5))
        cv2.circle(canvas, centre, max(round(float(radius) / SPACING_UM), 0), 1, -1)
    return canvas.astype(bool)
