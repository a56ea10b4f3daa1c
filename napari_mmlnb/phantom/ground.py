"""The tissue between the cells, painted as concentrations block by block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from napari_mmlnb.phantom.layout import SPACING_UM, Layout
from napari_mmlnb.phantom.noise import Field, blur
from napari_mmlnb.phantom.optics import BLOOD, EOSIN, HAEMATOXYLIN
from napari_mmlnb.phantom.outline import ramp
from napari_mmlnb.phantom.recipe import LABEL, Recipe
from napari_mmlnb.phantom.textures import Textures, along


@dataclass(frozen=True)
class Block:
    """A rectangle of level-0 pixels that is drawn at once."""

    y: int
    x: int
    height: int
    width: int


@dataclass(frozen=True)
class Paint:
    """Concentrations of haematoxylin, eosin and blood of one kind of ground, each (h, w)."""

    haematoxylin: Field
    eosin: Field
    blood: Field | None = None


class Ground:
    """Paints the ground of a slide.

    Parameters
    ----------
    layout : Layout
        Where which tissue lies.
    recipe : Recipe
        How strongly each takes eosin.
    textures : Textures
        Of this slide.
    mpp : float
        Micrometres per pixel of level 0.
    """

    def __init__(self, layout: Layout, recipe: Recipe, textures: Textures, mpp: float) -> None:
        self._layout = layout
        self._recipe = recipe
        self._textures = textures
        self._mpp = mpp
        self._present = {kind: label for kind, label in LABEL.items() if (layout.labels == label).any()}
        self._weights = {kind: _softened(layout.labels == label, 0.7) for kind, label in self._present.items()}
        self._lakes = _softened(layout.lakes, 1.2)
        self._angles = [np.ascontiguousarray(layout.angle[..., plane]) for plane in range(2)]

    def sample(self, field: Field, block: Block) -> Field:
        """A raster of the layout, enlarged to a block."""
        scale = self._mpp / SPACING_UM
        matrix = np.array([[scale, 0.0, (block.x + 0.5) * scale - 0.5], [0.0, scale, (block.y + 0.5) * scale - 0.5]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        sampled = cv2.warpAffine(
            field, matrix, (block.width, block.height), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(sampled, np.float32)

    def window(self, field: Field, block: Block) -> Field:
        """The pixels of a raster of the layout that a block touches, with one more around; a view."""
        scale = self._mpp / SPACING_UM
        y0, x0 = max(int(block.y * scale) - 1, 0), max(int(block.x * scale) - 1, 0)
        y1, x1 = int((block.y + block.height) * scale) + 2, int((block.x + block.width) * scale) + 2
        return field[y0:y1, x0:x1]

    def cover(self, block: Block) -> Field:
        """Share of each pixel that is tissue rather than glass, with a frayed edge, (h, w)."""
        edge = self.sample(self._layout.edge_um, block)
        shape = (block.y, block.x, block.height, block.width)
        edge += 1.6 * self._textures.mottle.at(*shape) + 2.2 * self._textures.clumps.at(*shape)
        return ramp(edge - np.float32(1.0), 3.0)

    def paint(self, block: Block, canvas: Field) -> None:
        """Add the ground of a block to an empty canvas, (4, h, w)."""
        for kind, weights in self._weights.items():
            part = self._part(weights, block)
            if part is None:
                continue
            weight = self.sample(weights, part)
            paint = _PAINTERS[kind](self, part)
            rows = slice(part.y - block.y, part.y - block.y + part.height)
            columns = slice(part.x - block.x, part.x - block.x + part.width)
            canvas[HAEMATOXYLIN, rows, columns] += weight * paint.haematoxylin
            canvas[EOSIN, rows, columns] += weight * (np.float32(self._recipe.eosin[kind]) * paint.eosin)
            if paint.blood is not None:
                canvas[BLOOD, rows, columns] += weight * paint.blood
        canvas[HAEMATOXYLIN] += np.float32(self._recipe.background_haematoxylin)
        np.clip(canvas, 0.0, None, out=canvas)

    def _part(self, weights: Field, block: Block) -> Block | None:
        """The part of a block where a raster of the layout is not 0, or None."""
        window = self.window(weights, block)
        rows, columns = np.flatnonzero(window.any(axis=1)), np.flatnonzero(window.any(axis=0))
        if not len(rows):
            return None
        scale = SPACING_UM / self._mpp
        top = max(int(block.y * self._mpp / SPACING_UM) - 1, 0)
        left = max(int(block.x * self._mpp / SPACING_UM) - 1, 0)
        # A raster's pixel reaches as far as its neighbours' centres.
        y0 = max(int((top + rows[0] - 1) * scale), block.y)
        x0 = max(int((left + columns[0] - 1) * scale), block.x)
        y1 = min(int((top + rows[-1] + 2) * scale) + 1, block.y + block.height)
        x1 = min(int((left + columns[-1] + 2) * scale) + 1, block.x + block.width)
        return Block(y0, x0, y1 - y0, x1 - x0) if y1 > y0 and x1 > x0 else None

    def _textures_at(self, block: Block) -> tuple[Field, Field, Field, Field]:
        at = (block.y, block.x, block.height, block.width)
        t = self._textures
        return t.grain.at(*at), t.mottle.at(*at), t.clumps.at(*at), t.cloud.at(*at)

    def _angle(self, block: Block, waviness: float) -> Field:
        cosine, sine = (self.sample(plane, block) for plane in self._angles)
        wave = self._textures.cloud.at(block.y, block.x, block.height, block.width)
        return 0.5 * np.arctan2(sine, cosine) + np.float32(waviness) * wave

    def solid(self, block: Block) -> Paint:
        """Scant pale cytoplasm between packed cells."""
        grain, mottle, clumps, cloud = self._textures_at(block)
        return Paint(
            (0.07 + 0.025 * mottle).astype(np.float32),
            0.135 + 0.03 * grain + 0.04 * mottle + 0.025 * clumps + 0.02 * cloud,
        )

    def neuropil(self, block: Block) -> Paint:
        """Lakes of a felt of neurites, and nests like solid tumour between them."""
        grain, _, clumps, cloud = self._textures_at(block)
        at = (block.y, block.x, block.height, block.width)
        first, second = self._textures.tangle
        felt = 0.7 * first.at(*at) + 0.7 * second.at(*at)
        strands = np.exp(np.clip(0.30 * felt, -1.2, 1.1))
        lake = np.clip(self.sample(self._lakes, block) + 0.12 * clumps, 0.0, 1.0)
        nest = self.solid(block)
        eosin = 0.225 * strands * (1.0 + 0.10 * clumps + 0.10 * cloud) + 0.012 * grain
        return Paint(
            nest.haematoxylin * (1.0 - lake) + lake * (0.030 + 0.012 * felt),
            nest.eosin * (1.0 - lake) + lake * eosin,
        )

    def stroma(self, block: Block) -> Paint:
        """Wavy fibres of Schwannian stroma, with clear slits between them."""
        grain, mottle, _, cloud = self._textures_at(block)
        angle = self._angle(block, 0.2)
        fine, coarse = along((self._textures.fibres, self._textures.bundles), angle, block.y, block.x)
        body = 0.27 * (1.0 + 0.15 * cloud) + 0.06 * fine + 0.085 * coarse + 0.012 * grain
        slits = ramp(-coarse - 0.35 * fine - np.float32(1.5), 0.5)
        return Paint(0.03 + 0.01 * mottle, body * (1.0 - 0.75 * slits))

    def muscle(self, block: Block) -> Paint:
        """Thick, strongly eosinophilic bundles."""
        grain, mottle, _, cloud = self._textures_at(block)
        angle = self._angle(block, 0.12)
        fine, coarse = along((self._textures.fibres, self._textures.bundles), angle, block.y, block.x)
        gaps = ramp(np.float32(-1.05) - coarse, 0.35)
        body = 0.40 + 0.03 * cloud + 0.035 * fine + 0.04 * coarse + 0.012 * grain
        return Paint(0.035 + 0.01 * mottle, body * (1.0 - 0.8 * gaps))

    def hyaline(self, block: Block) -> Paint:
        """Glassy collagen: nearly without structure."""
        grain, mottle, clumps, cloud = self._textures_at(block)
        (coarse,) = along((self._textures.bundles,), self._angle(block, 0.5), block.y, block.x)
        body = 0.30 + 0.045 * cloud + 0.022 * clumps + 0.022 * coarse + 0.006 * grain + 0.006 * mottle
        return Paint(0.02 + 0.006 * cloud, body)

    def oedema(self, block: Block) -> Paint:
        """Loose, pale ground with single fibres."""
        grain, mottle, clumps, cloud = self._textures_at(block)
        (fine,) = along((self._textures.fibres,), self._angle(block, 0.7), block.y, block.x)
        fibres = ramp(fine - 0.9 + 0.25 * clumps, 1.2)
        body = 0.085 + 0.035 * cloud + 0.02 * clumps + 0.15 * fibres + 0.01 * grain
        return Paint(0.025 + 0.012 * mottle, body)

    def necrosis(self, block: Block) -> Paint:
        """Granular eosinophilic debris."""
        grain, mottle, clumps, cloud = self._textures_at(block)
        crumbs = np.exp(0.30 * mottle + 0.16 * clumps)
        body = 0.18 * crumbs * (1.0 + 0.14 * cloud) + 0.05 * grain
        return Paint(0.03 + 0.035 * np.clip(mottle - 0.3, 0.0, 2.0) + 0.01 * grain, body)

    def haemorrhage(self, block: Block) -> Paint:
        """Plasma and crushed red cells under the whole ones."""
        grain, mottle, clumps, cloud = self._textures_at(block)
        blood = 0.11 + 0.05 * clumps + 0.05 * cloud + 0.02 * mottle
        return Paint(0.01 + 0.004 * grain, 0.07 + 0.02 * mottle, blood)

    def lymphoid(self, block: Block) -> Paint:
        """Hardly anything between lymphocytes."""
        grain, mottle, clumps, _ = self._textures_at(block)
        return Paint(0.05 + 0.015 * mottle, 0.10 + 0.03 * grain + 0.035 * mottle + 0.02 * clumps)

    def fat(self, block: Block) -> Paint:
        """Strands between fat cells, and clear space."""
        grain, _, clumps, cloud = self._textures_at(block)
        strands = ramp(clumps + 0.4 * cloud, 0.9)
        return Paint(0.012 + 0.004 * grain, 0.03 + 0.16 * strands)


_PAINTERS: dict[str, Callable[[Ground, Block], Paint]] = {
    "solid": Ground.solid,
    "neuropil": Ground.neuropil,
    "differentiating": Ground.neuropil,
    "stroma": Ground.stroma,
    "necrosis": Ground.necrosis,
    "haemorrhage": Ground.haemorrhage,
    "lymphoid": Ground.lymphoid,
    "fat": Ground.fat,
    "hyaline": Ground.hyaline,
    "muscle": Ground.muscle,
    "oedema": Ground.oedema,
}


def _softened(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], sigma: float) -> Field:
    """A mask with soft borders, 0 to 1; nothing below 0.004 is kept, so that far blocks see none of it."""
    soft = blur(mask.astype(np.float32), sigma)
    soft[soft < 0.004] = 0.0
    return soft
