"""Where the tissue of a slide is: found, restricted to a region of interest, edited, and measured.

How tissue is told from all else is in `napari_mmlnb.slides.segmentation`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from napari_mmlnb.geometry import Float64, PixelGrid, Region
from napari_mmlnb.slides.area_share import area_share
from napari_mmlnb.slides.overview import Overview, read_overview
from napari_mmlnb.slides.roi import Roi
from napari_mmlnb.slides.segmentation import segment_tissue
from napari_mmlnb.slides.slide import Slide

Mask = npt.NDArray[np.bool_]
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

    @cached_property
    def area_mm2(self) -> float:
        """Area of the tissue, square millimetres; what of a pixel lies outside of what was scanned does not count."""
        return self._mm2(self.mask)

    @property
    def fraction(self) -> float:
        """Share of the slide's area, 0 to 1."""
        return self.coverage.percent_of_slide / 100

    @property
    def coverage(self) -> TissueCoverage:
        """The tissue's area, the slide's, and what was scanned of it."""
        slide = self.slide or self.grid.region
        return TissueCoverage(self.area_mm2, slide.area_mm2, (self.scanned or slide).area_mm2)

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
        region = self.scanned or self.slide or self.grid.region
        height, width = (_inside(self.grid, region, axis) for axis in (0, 1))
        return float(height @ (mask @ width)) * 1e-6


def _inside(grid: PixelGrid, region: Region, axis: int) -> Float64:
    """What of each row (or column) of a grid lies inside of a region, micrometres."""
    start, extent = (region.y, region.height) if axis == 0 else (region.x, region.width)
    edges = grid.origin_um[axis] + np.arange(grid.shape[axis] + 1) * grid.spacing_um[axis]
    return np.diff(np.clip(edges, start, start + extent))


def find_tissue(
    slide: Slide, um_per_px: float = 8.0, roi: Roi | None = None, overview: Overview | None = None
) -> TissueMask:
    """Find the tissue of a slide.

    Parameters
    ----------
    slide : Slide
        The slide.
    um_per_px : float
        Scale at which to look, micrometres per pixel.
    roi : Roi, optional
        Keep only what lies in it.
    overview : Overview, optional
        What `read_overview` gave for the slide, its scale and its bounds, where that is at hand already.

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
    scanned = slide.bounds
    overview = overview or read_overview(slide, um_per_px, scanned)
    known, unreadable = overview.readable, ~overview.readable
    if scanned is not None:
        inside = np.zeros(overview.grid.shape, dtype=np.bool_)
        inside[overview.grid.window(scanned)] = True
        known, unreadable = known & inside, unreadable & inside
    everything = known.all()
    mask = segment_tissue(overview.rgb, um_per_px, None if everything else known)
    tissue = TissueMask(mask if everything else mask | unreadable, overview.grid, extent, scanned or extent)
    return tissue if roi is None else tissue.restrict(roi)
