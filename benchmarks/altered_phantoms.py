"""Phantoms made hard for a tissue mask: pale, fat, marked with a pen, on odd glass, behind bubbles and dust.

Each alteration multiplies the light of a rendered phantom, pixel by pixel (Beer-Lambert), or replaces what was not
scanned; the truth is the phantom's own, less what was not scanned and what a pen covers, under which nobody sees
tissue.
Used by `benchmarks/tissue.py` and by the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.phantom.noise import blur, distance_to_zero, fractal_field, smooth_field
from napari_mmlnb.phantom.slide import render_phantom
from napari_mmlnb.phantom.truth import PhantomTruth, Subtype

RGB = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Light = npt.NDArray[np.float32]

INKS = {
    "blue": (1.10, 0.66, 0.14),
    "green": (1.25, 0.48, 0.95),
    "black": (1.35, 1.35, 1.30),
    "red": (0.09, 1.00, 0.88),
}
"""Optical density of a felt pen's full stroke in (red, green, blue)."""

_EOSIN = np.array((0.12, 0.86, 0.45), np.float32)
_HAEMATOXYLIN = np.array((0.645, 0.69, 0.33), np.float32)


@dataclass(frozen=True)
class Specimen:
    """A picture of a slide with its truth.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8.
    tissue : ndarray
        (h, w) bool: where there is tissue to be seen.
    mpp : float
        Micrometres per pixel.
    glass : ndarray
        (3,), grey levels of empty glass.
    """

    rgb: RGB
    tissue: Mask
    mpp: float
    glass: npt.NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.tissue.shape[0], self.tissue.shape[1]

    def px(self, micrometres: float) -> float:
        """A length in pixels."""
        return micrometres / self.mpp

    def behind(self, light: npt.NDArray[np.floating]) -> Specimen:
        """The same behind a filter that lets these shares of the light pass: (h, w, 3), (h, w, 1) or (3,)."""
        rgb = np.clip(self.rgb * np.asarray(light, np.float32) + np.float32(0.5), 0, 255).astype(np.uint8)
        return replace(self, rgb=rgb)

    def truth(self, grid: PixelGrid) -> Mask:
        """The tissue on a coarser grid from the same origin: the pixels of which it covers at least half."""
        step = round(grid.spacing_um[0] / self.mpp)
        padded = np.zeros((grid.shape[0] * step, grid.shape[1] * step), np.float32)
        padded[: self.shape[0], : self.shape[1]] = self.tissue[: padded.shape[0], : padded.shape[1]]
        half: Mask = padded.reshape(grid.shape[0], step, grid.shape[1], step).mean(axis=(1, 3)) >= 0.5
        return half


Alteration = Callable[[Specimen, np.random.Generator], Specimen]


def draw_phantom(subtype: Subtype, seed: int, size: int = 2048, mpp: float = 2.0) -> Specimen:
    """A phantom as it is rendered, `size` pixels square."""
    rgb, _, truth = render_phantom(subtype=subtype, seed=seed, size=(size, size), mpp=mpp)
    tissue = outlined(truth, PixelGrid((size, size), (mpp, mpp)))
    glass = [float(np.bincount(rgb[~tissue][:, channel], minlength=256).argmax()) for channel in range(3)]
    return Specimen(rgb, tissue, mpp, np.array(glass))


def outlined(truth: PhantomTruth, grid: PixelGrid) -> Mask:
    """The tissue of a phantom from the outlines in its truth, (h, w)."""
    rings = [grid.to_pixels(np.asarray(region.polygon_um)) for region in truth.regions]
    mask = np.zeros(grid.shape, np.uint8)
    for ring in rings:  # even-odd, each on its own, since a hole is joined to its outline
        points = np.rint((ring[:, ::-1] - 0.5) * 16).astype(np.int32)
        area = cv2.fillPoly(np.zeros(grid.shape, np.uint8), [points], 1, lineType=cv2.LINE_8, shift=4)
        mask |= area
    return mask.astype(np.bool_)


def pale(specimen: Specimen, rng: np.random.Generator, strength: float) -> Specimen:
    """Stain and thickness at a fraction of the usual: every optical density is that much lower."""
    light = np.maximum(specimen.rgb, 1) / specimen.glass.astype(np.float32)
    noise = rng.normal(0, 1.2, specimen.rgb.shape).astype(np.float32)
    rgb = np.clip(specimen.glass.astype(np.float32) * light**strength + noise + 0.5, 0, 255)
    return replace(specimen, rgb=rgb.astype(np.uint8))


def fatty(specimen: Specimen, rng: np.random.Generator, share: float = 0.45, cell_um: float = 78.0) -> Specimen:
    """Fat in place of a share of the tissue: empty cells of about `cell_um` between membranes of two micrometres.

    Some membranes are torn, some nuclei lie in the corners; the fat reaches the edge of the tissue like a real lobule.
    """
    field = smooth_field(rng, specimen.shape, specimen.px(900.0))
    lobules = specimen.tissue & (field > np.quantile(field[specimen.tissue], 1.0 - share))
    rows, columns = np.nonzero(lobules)
    count = int(np.prod(specimen.shape) / specimen.px(cell_um) ** 2)
    seeds = rng.uniform((0, 0), specimen.shape, (count, 2))
    for _ in range(4):
        distance, other = cKDTree(seeds).query(seeds, k=2)
        apart = np.maximum(0.85 * specimen.px(cell_um) - distance[:, 1:], 0.0)
        seeds += 0.5 * apart * (seeds - seeds[other[:, 1]]) / np.maximum(distance[:, 1:], 1e-6)
    distance, index = cKDTree(seeds).query(np.stack([rows, columns], axis=1), k=3)
    wall = np.zeros(specimen.shape, np.float32)
    torn = ((index[:, 0] * 7919 + index[:, 1] * 7919) % 97) < 6  # the wall between two cells, from both sides
    wall[rows, columns] = np.clip(1.4 - (distance[:, 1] - distance[:, 0]) / specimen.px(2.0), 0, 1) * ~torn
    skin = lobules & (distance_to_zero(specimen.tissue.astype(np.uint8)) <= specimen.px(2.0) + 0.5)
    wall[skin] = np.maximum(wall[skin], 0.7)
    nucleus = np.zeros(specimen.shape, np.float32)
    corner = (distance[:, 2] - distance[:, 0] < specimen.px(7.0)) & (index[:, 0] % 3 == 0)
    nucleus[rows, columns] = corner
    density = (
        wall[..., None] * (0.30 * _EOSIN + 0.03 * _HAEMATOXYLIN) + blur(nucleus, 0.7)[..., None] * 0.5 * _HAEMATOXYLIN
    )
    clear = specimen.glass.astype(np.float32) * 10.0**-density
    clear += rng.normal(0, 1.2, clear.shape).astype(np.float32)
    edge = blur(lobules.astype(np.float32), 1.0)[..., None]
    rgb = np.where(lobules[..., None], edge * clear + (1 - edge) * specimen.rgb, specimen.rgb)
    return replace(specimen, rgb=np.clip(rgb + 0.5, 0, 255).astype(np.uint8))


def marked(specimen: Specimen, rng: np.random.Generator, ink: str, strength: float = 1.0) -> Specimen:
    """Felt pen: a stroke that follows the tissue's edge on the glass, one that runs into the tissue, and a few dots.

    Strokes are 0.25 to 0.45 mm wide, streaky, darker along the rim, and fade out within some ten micrometres.
    """
    line = np.zeros(specimen.shape, np.uint8)
    around = cv2.dilate(specimen.tissue.astype(np.uint8), _disc(specimen.px(330.0)))
    contours, _ = cv2.findContours(around, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=len)[:, 0]
    start, length = int(rng.integers(len(contour))), len(contour) // 4
    arc = np.roll(contour, -start, axis=0)[:length]
    cv2.polylines(line, [arc], isClosed=False, color=1, thickness=round(specimen.px(rng.uniform(250, 450))))
    outside, inside = contour[(start + 2 * length) % len(contour)], np.argwhere(specimen.tissue).mean(axis=0)[::-1]
    reach = specimen.px(1000.0) / max(float(np.hypot(*(inside - outside))), 1.0)
    end = outside + reach * (inside - outside)
    cv2.line(line, outside.tolist(), np.rint(end).astype(int).tolist(), 1, round(specimen.px(rng.uniform(250, 350))))
    for x, y in contour[rng.integers(len(contour), size=5)].tolist():
        cv2.circle(line, (x, y), round(specimen.px(rng.uniform(60, 160))), 1, -1)
    depth = distance_to_zero(line) * np.float32(specimen.mpp)
    streaks = 0.82 + 0.16 * fractal_field(rng, specimen.shape, specimen.px(90.0), 3)
    rim = 0.25 * np.exp(-(((depth - 25.0) / 12.0) ** 2))
    cover = blur((np.clip(depth / 12.0, 0, 1) * np.clip(streaks + rim, 0.25, 1.2)).astype(np.float32), specimen.px(4.0))
    density = np.float32(strength) * cover[..., None] * np.asarray(INKS[ink], np.float32)
    return replace(specimen.behind(10.0**-density), tissue=specimen.tissue & ~(cover > 0.4))


def framed(specimen: Specimen, rng: np.random.Generator) -> Specimen:
    """A black border and a black corner that the scanner left out, with the noise of an idle sensor."""
    black = np.zeros(specimen.shape, np.bool_)
    for side, width in zip(range(4), rng.uniform(60, 260, 4), strict=True):
        np.rot90(black, side)[: round(specimen.px(width))] = True
    black[-round(specimen.px(900)) :, -round(specimen.px(1300)) :] = True
    rgb = specimen.rgb.copy()
    rgb[black] = rng.integers(0, 9, (int(black.sum()), 1)) + rng.integers(0, 3, (int(black.sum()), 3))
    return replace(specimen, rgb=rgb, tissue=specimen.tissue & ~black)


def patchy(specimen: Specimen, rng: np.random.Generator) -> Specimen:  # noqa: ARG001 (as all alterations)
    """Only the surroundings of the tissue scanned, on slightly yellow grey glass; the rest filled with pure white."""
    step = round(specimen.px(400.0))
    fields = cv2.resize(
        specimen.tissue.astype(np.float32), None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA
    )
    near = cv2.dilate((fields > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    scanned = cv2.resize(near, specimen.shape[::-1], interpolation=cv2.INTER_NEAREST).astype(np.bool_)
    dimmed = specimen.behind(np.array((0.955, 0.945, 0.925)))
    rgb = dimmed.rgb.copy()
    rgb[~scanned] = 255
    return replace(dimmed, rgb=rgb, tissue=specimen.tissue & scanned)


def tinted(specimen: Specimen, rng: np.random.Generator, lamp: tuple[float, float, float]) -> Specimen:
    """Another lamp or white balance."""
    del rng
    return specimen.behind(np.array(lamp))


def shaded(specimen: Specimen, rng: np.random.Generator) -> Specimen:
    """Fields of the scanner, each a little darker and yellower towards its corners, and of slightly unequal light."""
    height, width = specimen.shape
    side = specimen.px(600.0)
    y, x = (((np.arange(n) / side) % 1.0) - 0.5 for n in (height, width))
    fall = (y[:, None] ** 2 + x[None] ** 2).astype(np.float32)[..., None]
    fields = rng.normal(1, 0.01, (int(height // side) + 1, int(width // side) + 1)).astype(np.float32)
    even = fields[(np.arange(height) // side).astype(int)[:, None], (np.arange(width) // side).astype(int)[None]]
    return specimen.behind(even[..., None] * (1 - fall * np.array((0.10, 0.105, 0.13), np.float32)))


def cluttered(specimen: Specimen, rng: np.random.Generator) -> Specimen:
    """Air bubbles, the coverslip's edge with yellow mounting medium beyond it, dust and lint."""
    height, width = specimen.shape
    light = np.ones((*specimen.shape, 3), np.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    for _ in range(3):
        cy, cx, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(250, 700)
        away = np.hypot(y - cy, x - cx) * specimen.mpp - radius
        ring = 0.75 * np.exp(-((away / 14.0) ** 2)) + 0.12 * np.exp(-np.abs(away) / 60.0)
        # Refraction bends blue a little more than red: a fringe, a few micrometres wide.
        fringe = 0.06 * np.exp(-(((away - 16.0) / 8.0) ** 2))
        light *= 10.0 ** -(0.6 * ring[..., None] + fringe[..., None] * np.array((0.2, 0.6, 1.0), np.float32))
    edge = (x * np.cos(0.05) + y * np.sin(0.05)) * specimen.mpp - 0.93 * width * specimen.mpp
    light *= 10.0 ** -(0.35 * np.exp(-((edge / 12.0) ** 2)))[..., None]
    light *= np.where((edge > 0)[..., None], np.array((0.985, 0.965, 0.90), np.float32), np.float32(1))
    specks = np.zeros(specimen.shape, np.float32)
    for cy, cx, radius in zip(*rng.uniform((0, 0, 4), (height, width, 30), (150, 3)).T, strict=True):
        cv2.circle(specks, (int(cx), int(cy)), max(1, round(specimen.px(radius))), 1, -1)
    light *= 10.0 ** -(blur(specks, 1.0)[..., None] * np.array((0.62, 0.68, 0.75), np.float32))
    for tint in ((0.5, 0.3, 0.1), (0.1, 0.4, 0.3), (0.4, 0.4, 0.4)):
        lint = np.zeros(specimen.shape, np.float32)
        walk = np.cumsum(rng.normal(0, 0.25, 60))
        path = np.cumsum(specimen.px(18.0) * np.stack([np.cos(walk), np.sin(walk)], axis=1), axis=0)
        path += rng.uniform((0, 0), (width, height))
        cv2.polylines(lint, [np.rint(path).astype(np.int32)], isClosed=False, color=1, thickness=round(specimen.px(14)))
        light *= 10.0 ** -(blur(lint, 1.0)[..., None] * np.array(tint, np.float32))
    return specimen.behind(light)


def blank(specimen: Specimen, rng: np.random.Generator) -> Specimen:
    """The same slide without the tissue: glass with the sensor's noise and a little dirt."""
    rgb = np.clip(rng.normal(specimen.glass, 1.8, specimen.rgb.shape) + 0.5, 0, 255).astype(np.uint8)
    empty = replace(specimen, rgb=rgb, tissue=np.zeros_like(specimen.tissue))
    return cluttered(empty, rng)


def filled(specimen: Specimen, rng: np.random.Generator) -> Specimen:
    """No glass at all: the largest square of tissue, mirrored over the whole picture."""
    del rng
    inside = cv2.copyMakeBorder(specimen.tissue.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(inside, cv2.DIST_C, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    half = int(depth.max()) - 1
    square = specimen.rgb[y - half : y + half, x - half : x + half]
    wide = [(0, max(n - 2 * half, 0)) for n in specimen.shape]
    rgb = np.pad(square, (*wide, (0, 0)), mode="symmetric")[: specimen.shape[0], : specimen.shape[1]]
    return replace(specimen, rgb=rgb, tissue=np.ones_like(specimen.tissue))


def _disc(radius_px: float) -> npt.NDArray[np.uint8]:
    side = 2 * round(radius_px) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _as_is(specimen: Specimen, rng: np.random.Generator) -> Specimen:
    del rng
    return specimen


def _in_turn(*steps: Alteration) -> Alteration:
    def altered(specimen: Specimen, rng: np.random.Generator) -> Specimen:
        for step in steps:
            specimen = step(specimen, rng)
        return specimen

    return altered


ALTERATIONS: dict[str, Alteration] = {
    "plain": _as_is,
    "pale, a half": partial(pale, strength=0.5),
    "pale, a quarter": partial(pale, strength=0.25),
    "fat": fatty,
    "fat, pale": _in_turn(fatty, partial(pale, strength=0.5)),
    **{f"{ink} pen": partial(marked, ink=ink) for ink in INKS},
    "black border": framed,
    "grey glass": partial(tinted, lamp=(0.80, 0.80, 0.79)),
    "dark grey glass": partial(tinted, lamp=(0.62, 0.62, 0.63)),
    "yellow glass": partial(tinted, lamp=(1.0, 0.975, 0.84)),
    "patchy scan": patchy,
    "uneven light": shaded,
    "bubbles, dust, coverslip": cluttered,
    "all at once": _in_turn(fatty, partial(pale, strength=0.5), partial(marked, ink="blue"), shaded, cluttered, framed),
    "no tissue": blank,
    "only tissue": filled,
}
"""What can be done to a phantom, by name; all are drawn from the generator that they are given."""
