"""Where the tissue is, by the light that it absorbs, measured against the glass of the same slide.

Stain absorbs green more than red or blue. What is grey (dust, shadows, the rims of bubbles, the coverslip's edge, black
borders), yellow (mounting medium) or brighter than the glass does not, however dark it is. The limits are fixed in
optical density, never fitted to the histogram, for a histogram can always be cut in two, on a blank slide too.

Fat is tissue. All that is left of a fat cell in a section is its membrane, two micrometres of faint pink around a hole
as clear as glass: so fine lines count at a fraction of the usual strength where they stand out from what lies around
them, and gaps inside of the tissue belong to it unless they are wider than a large fat cell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.geometry import Float64, PixelGrid, Region
from napari_mmlnb.slides.area_share import area_share
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.colour import density_table
from napari_mmlnb.slides.decoded_tiles import block_mean
from napari_mmlnb.slides.glass import glass_colour
from napari_mmlnb.slides.overview import read_overview
from napari_mmlnb.slides.pen import NARROWEST_BLACK_UM, black_mask, ink_mask
from napari_mmlnb.slides.roi import Roi
from napari_mmlnb.slides.slide import Slide

Mask = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
"""A picture of one channel; as a mask, 0 or not."""

# In thousandths of optical density, so that whole numbers do and every machine finds the same mask.
_MILLI = 1000
# The strength of a stain is that of the most absorbed channel, or where it is less, this many times what the excess of
# green over the least absorbed one has over the share of it that grey things show too (their rims, by refraction).
# Pure haematoxylin, whose excess is the smallest of the stains, comes out at its full strength.
_GREY_EXCESS, _STAIN_EXCESS = 0.15, 0.57
_LEAST_STRENGTH, _EDGE_STRENGTH = 20, 35
_LINE_STRENGTH = 10
# Red over green above which it is ink.
_INK_RED = 1.35

_SMOOTH_UM = 4.0
_AROUND_UM = 56.0
_TORN_UM, _NET_SHARE = 24.0, 0.6
_GAP_UM, _GAP_MM2, _NET_GAP_MM2 = 130.0, 0.01, 0.06
_SPECK_UM, _SPECK_MM2 = 56.0, 0.01
# Pen marks and specks are looked for at about this scale: they are wide, and it saves three quarters of the work.
_COARSE_UM = 16.0
_STRIP_PX = 120_000

Edit = Literal["add", "remove", "replace"]


@dataclass(frozen=True)
class TissueCoverage:
    """How much tissue there is.

    Parameters
    ----------
    tissue_mm2 : float
        Its area, square millimetres.
    slide_mm2 : float
        Of the whole slide.
    scanned_mm2 : float
        Of the part of it that was scanned; the whole slide where the file says nothing of it.
    """

    tissue_mm2: float
    slide_mm2: float
    scanned_mm2: float

    @property
    def percent_of_slide(self) -> float:
        """0 to 100."""
        return 100.0 * self.tissue_mm2 / self.slide_mm2 if self.slide_mm2 else 0.0

    @property
    def percent_of_scanned(self) -> float:
        """0 to 100."""
        return 100.0 * self.tissue_mm2 / self.scanned_mm2 if self.scanned_mm2 else 0.0


@dataclass(frozen=True)
class TissueEdit:
    """A change that a person made to what was found.

    Parameters
    ----------
    kind : str
        "add", "remove" or "replace".
    area : Roi or TissueMask
        What was added, taken away, or put in its place.
    within : Roi or TissueMask, optional
        Where it was replaced; everywhere by default.
    gained_mm2, lost_mm2 : float
        What that changed, square millimetres.
    """

    kind: Edit
    area: Roi | TissueMask
    within: Roi | TissueMask | None
    gained_mm2: float
    lost_mm2: float


@dataclass(frozen=True)
class TissueMask:
    """Where tissue is. It never changes: an edit gives a new one that remembers it.

    Parameters
    ----------
    mask : ndarray
        (h, w) bool.
    grid : PixelGrid
        Where the mask lies on the slide.
    slide : Region, optional
        The whole slide; the grid, whose last pixels may reach over the edge, by default.
    scanned : Region, optional
        The part of the slide that was scanned; all of it by default.
    edits : tuple of TissueEdit
        What persons changed, the first one first.
    """

    mask: Mask
    grid: PixelGrid
    slide: Region | None = None
    scanned: Region | None = None
    edits: tuple[TissueEdit, ...] = ()

    @property
    def area_mm2(self) -> float:
        """Area of the tissue, square millimetres; what of a pixel lies beyond the slide's edge does not count."""
        return self._mm2(self.mask)

    @property
    def fraction(self) -> float:
        """Share of the slide's area, 0 to 1."""
        return self.coverage.percent_of_slide / 100

    @property
    def coverage(self) -> TissueCoverage:
        """The tissue's area, the slide's, and what was scanned of it."""
        slide = self.slide or self.grid.region
        scanned = slide if self.scanned is None else self.scanned.intersection(slide)
        return TissueCoverage(self.area_mm2, slide.area_mm2, scanned.area_mm2 if scanned is not None else 0.0)

    def restrict(self, roi: Roi) -> TissueMask:
        """Only what lies in a region of interest. That is a choice of what to look at, and no edit."""
        return replace(self, mask=self.mask & roi.rasterise(self.grid))

    def add(self, area: Roi | TissueMask) -> TissueMask:
        """With this area as tissue too.

        Parameters
        ----------
        area : Roi or TissueMask
            Polygons, or a mask on any grid; a pixel belongs to polygons if its centre does, and to a mask on another
            grid if that covers half of it.
        """
        return self._edited("add", self.mask | self._covered(area), area)

    def remove(self, area: Roi | TissueMask) -> TissueMask:
        """Without this area; see `add`."""
        return self._edited("remove", self.mask & ~self._covered(area), area)

    def replace(self, area: Roi | TissueMask, within: Roi | TissueMask | None = None) -> TissueMask:
        """With this area as the tissue in place of what there was.

        Parameters
        ----------
        area : Roi or TissueMask
            The tissue; see `add`.
        within : Roi or TissueMask, optional
            Where it takes the place of the old; everywhere by default.
        """
        tissue = self._covered(area)
        if within is not None:
            tissue = np.where(self._covered(within), tissue, self.mask)
        return self._edited("replace", tissue, area, within)

    def _edited(
        self, kind: Edit, mask: Mask, area: Roi | TissueMask, within: Roi | TissueMask | None = None
    ) -> TissueMask:
        edit = TissueEdit(kind, area, within, self._mm2(mask & ~self.mask), self._mm2(self.mask & ~mask))
        return replace(self, mask=mask, edits=(*self.edits, edit))

    def _covered(self, area: Roi | TissueMask) -> Mask:
        if isinstance(area, Roi):
            return area.rasterise(self.grid)
        if area.grid == self.grid:
            return area.mask
        return area_share(area.mask, area.grid, self.grid) >= 0.5

    def _mm2(self, mask: Mask) -> float:
        slide = self.slide or self.grid.region
        height, width = (_inside(self.grid, slide, axis) for axis in (0, 1))
        return float(height @ (mask @ width)) * 1e-6


def _inside(grid: PixelGrid, region: Region, axis: int) -> Float64:
    """What of each row (or column) of a grid lies inside of a region, micrometres."""
    start, extent = (region.y, region.height) if axis == 0 else (region.x, region.width)
    edges = grid.origin_um[axis] + np.arange(grid.shape[axis] + 1) * grid.spacing_um[axis]
    return np.diff(np.clip(edges, start, start + extent))


def find_tissue(slide: Slide, um_per_px: float = 8.0, roi: Roi | None = None) -> TissueMask:
    """Find the tissue of a slide.

    Parameters
    ----------
    slide : Slide
        The slide.
    um_per_px : float
        Scale at which to look, micrometres per pixel.
    roi : Roi, optional
        Keep only what lies in it.

    Returns
    -------
    TissueMask
        Empty on a blank slide. What cannot be decoded counts as tissue, so that its tiles are tried, fail, and are
        counted as unreadable, instead of vanishing from the coverage. What was not scanned does not.

    Raises
    ------
    SlideReadError
        If nothing of the slide can be decoded, or the slide has been closed.
    """
    extent = slide.grids[0].region
    scanned = _scanned(slide)
    overview = read_overview(slide, um_per_px, scanned)
    known, unreadable = overview.readable, ~overview.readable
    if scanned is not None:
        inside = np.zeros(overview.grid.shape, dtype=np.bool_)
        inside[overview.grid.window(scanned)] = True
        known, unreadable = known & inside, unreadable & inside
    everything = known.all()
    mask = tissue_in(overview.rgb, um_per_px, None if everything else known)
    tissue = TissueMask(mask if everything else mask | unreadable, overview.grid, extent, scanned or extent)
    return tissue if roi is None else tissue.restrict(roi)


def _scanned(slide: Slide) -> Region | None:
    """The part of the slide that the file says was scanned, if it says so."""
    if slide.metadata.bounds_px is None:
        return None
    y, x, height, width = slide.metadata.bounds_px
    return Region(y * slide.mpp.y, x * slide.mpp.x, height * slide.mpp.y, width * slide.mpp.x)


def tissue_in(rgb: RGB, um_per_px: float, known: Mask | None = None) -> Mask:
    """Tissue in an overview picture.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8.
    um_per_px : float
        Its scale.
    known : ndarray, optional
        (h, w) bool; where the picture is not the slide's, or was not scanned, it is not judged (False in the result).

    Returns
    -------
    ndarray
        (h, w) bool.
    """
    glass = glass_colour(rgb if known is None else rgb[known])
    stained, black = _stained(rgb, glass, um_per_px)
    if known is not None:
        stained[~known] = 0
    ink = _ink(rgb, glass, stained, um_per_px)
    mask = _whole(stained, cv2.bitwise_or(ink, black), um_per_px)
    tissue = _without_specks(mask, um_per_px).astype(np.bool_)
    return tissue if known is None else tissue & known


def _stained(rgb: RGB, glass: tuple[float, float, float], um_per_px: float) -> tuple[Bytes, Bytes]:
    """Where stain is strong enough, and where it is black, (h, w) uint8 each, 0 or 255.

    Worked out in strips that fit the processor's cache, which halves the time; each sees enough of its neighbours.
    """
    stained, black = np.empty((2, *rgb.shape[:2]), dtype=np.uint8)
    sigma = max(_SMOOTH_UM / um_per_px, 0.5)
    reach = 2 * math.ceil(max(_AROUND_UM, NARROWEST_BLACK_UM) / um_per_px) + math.ceil(4 * sigma) + 2
    rows = max(reach, _STRIP_PX // max(rgb.shape[1], 1))
    for top in range(0, rgb.shape[0], rows):
        bottom = min(top + rows, rgb.shape[0])
        above = min(top, reach)
        smooth = cv2.GaussianBlur(rgb[top - above : bottom + reach], (0, 0), sigma)
        channels = cv2.split(smooth)
        limited = _above_limit(_stain_strength(channels, glass), um_per_px)
        stained[top:bottom] = limited[above : above + bottom - top]
        black[top:bottom] = black_mask(channels, um_per_px)[above : above + bottom - top]
    return stained, black


def _stain_strength(channels: Sequence[Bytes], glass: tuple[float, float, float]) -> Bytes:
    """How strongly each pixel is stained, (h, w) uint8, thousandths of optical density to 255; 0 for other colours."""
    tables = np.rint(_MILLI * density_table(glass)[0].T).astype(np.int16)
    red, green, blue = (cv2.LUT(channel, table) for channel, table in zip(channels, tables, strict=True))
    strongest = cv2.max(cv2.max(red, green), blue)
    excess = cv2.subtract(green, cv2.min(red, blue))
    scale = 1 / (_STAIN_EXCESS - _GREY_EXCESS)
    strength = cv2.min(strongest, cv2.addWeighted(excess, scale, strongest, -scale * _GREY_EXCESS, 0))
    no_ink = cv2.compare(red, cv2.addWeighted(green, _INK_RED, green, 0, _LINE_STRENGTH), cv2.CMP_LE)
    return np.asarray(cv2.bitwise_and(np.clip(strength, 0, 255).astype(np.uint8), no_ink), dtype=np.uint8)


def _above_limit(strength: Bytes, um_per_px: float) -> Bytes:
    """Where stain is strong enough, (h, w) uint8, 0 or 255.

    Strongly stained tissue ends where it is a little more than blur; pale tissue gets a lower limit, half of the
    strongest nearby; and fine lines a still lower one, if they stand out.
    """
    window = np.ones((_odd(_AROUND_UM, um_per_px),) * 2, np.uint8)
    limits = np.clip(np.arange(256) / 2, _LEAST_STRENGTH, _EDGE_STRENGTH).astype(np.uint8)
    limit = cv2.LUT(cv2.dilate(strength, window), limits)
    lines = cv2.morphologyEx(strength, cv2.MORPH_TOPHAT, window)
    strong = cv2.compare(strength, limit, cv2.CMP_GT)
    fine = cv2.compare(lines, _LINE_STRENGTH, cv2.CMP_GT)
    faint = cv2.compare(cv2.add(strength, strength), limit, cv2.CMP_GT)
    return cv2.bitwise_or(strong, cv2.bitwise_and(fine, faint))


def _ink(rgb: RGB, glass: tuple[float, float, float], stained: Bytes, um_per_px: float) -> Bytes:
    """Pen marks, (h, w) uint8, 0 or 255; looked for at a coarser scale, for they are wide."""
    step = max(1, round(_COARSE_UM / um_per_px))
    ink = ink_mask(_shrunk(rgb, step), glass, _shrunk(stained, step) > 0, um_per_px * step)
    return _grown(cv2.compare(ink.view(np.uint8), 0, cv2.CMP_GT), step, stained.shape)


def _whole(stained: Bytes, covered: Bytes, um_per_px: float) -> Bytes:
    """Tissue with its gaps filled, without what is covered, (h, w) uint8 each, 0 or 255.

    Small gaps are filled anywhere; clefts and the lumina of vessels stay open. Fat shows as a net of lines that fill
    little of the area: there torn membranes are joined, and even a few cells that run into each other are filled. What
    is covered by a pen, or was not scanned, bounds a gap as tissue does.
    """
    bare = cv2.bitwise_not(covered)
    mask = cv2.bitwise_and(stained, bare)
    share = cv2.blur(mask, (_odd(_GAP_UM, um_per_px),) * 2)
    net = cv2.compare(share, 255 * _NET_SHARE, cv2.CMP_LT)
    joined = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _ellipse(_TORN_UM, um_per_px))
    mask = cv2.bitwise_or(mask, cv2.bitwise_and(joined, net))
    return cv2.bitwise_and(_without_gaps(cv2.bitwise_or(mask, covered), net, um_per_px), bare)


def _without_gaps(mask: Bytes, net: Bytes, um_per_px: float) -> Bytes:
    """The mask with those gaps filled that lie inside of it and are small, more generously where there is a net."""
    framed, in_net = (cv2.copyMakeBorder(part, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0) for part in (mask, net))
    gaps = cv2.compare(framed, 0, cv2.CMP_EQ)
    count, labels = cv2.connectedComponents(gaps, connectivity=4)  # those that touch at a corner are apart
    # Every second pixel will do: a square one pixel wider than this leaves two by two pixels, and one is looked at.
    side = max(2, 2 * round(_GAP_UM / um_per_px / 2))
    looked_at = labels[::2, ::2]
    wide = cv2.erode(gaps, np.ones((side, side), np.uint8))[::2, ::2] > 0
    sizes = np.bincount(looked_at.ravel(), minlength=count)
    net_sizes = np.bincount(looked_at[in_net[::2, ::2] > 0], minlength=count)
    limits = np.where(2 * net_sizes > sizes, _NET_GAP_MM2, _GAP_MM2) * 1e6 / (4 * um_per_px**2)
    fill = np.where(sizes <= limits, np.uint8(255), np.uint8(0))
    fill[looked_at[wide]] = 0
    fill[[0, labels[0, 0]]] = 0
    return cv2.bitwise_or(mask, np.take(fill, labels)[1:-1, 1:-1])


def _without_specks(mask: Bytes, um_per_px: float) -> Bytes:
    """The mask without pieces that are small, or nowhere wider than lint; pieces a pixel apart count as one."""
    step = max(1, round(_COARSE_UM / um_per_px))
    core = cv2.erode(mask, _ellipse(_SPECK_UM / 2, um_per_px), borderType=cv2.BORDER_REPLICATE)
    pieces, cores = (cv2.compare(_shrunk(picture, step), 0, cv2.CMP_GT) for picture in (mask, core))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(pieces, connectivity=8)
    keep = np.zeros(count, dtype=np.uint8)
    keep[labels[cores > 0]] = 255
    keep[stats[:, cv2.CC_STAT_AREA] < _SPECK_MM2 * 1e6 / (um_per_px * step) ** 2] = 0
    keep[0] = 0
    kept: Bytes = keep[labels]
    return cv2.bitwise_and(mask, _grown(kept, step, mask.shape))


def _shrunk(picture: Bytes, step: int) -> Bytes:
    """Means over squares of `step` pixels; beyond the edge the last ones go on."""
    below, right = -picture.shape[0] % step, -picture.shape[1] % step
    padded = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)
    return block_mean(padded, (step, step))


def _grown(picture: Bytes, step: int, shape: tuple[int, ...]) -> Bytes:
    """The way back: each pixel `step` times as large, cut to a shape."""
    grown = cv2.resize(picture, None, fx=step, fy=step, interpolation=cv2.INTER_NEAREST)
    return np.ascontiguousarray(grown[: shape[0], : shape[1]])


def _odd(um: float, um_per_px: float) -> int:
    """A length as an odd number of pixels, at least 3."""
    return max(3, 2 * round((um / um_per_px - 1) / 2) + 1)


def _ellipse(radius_um: float, um_per_px: float) -> Bytes:
    side = 2 * round(radius_um / um_per_px) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)
