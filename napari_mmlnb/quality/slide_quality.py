"""Quality of a whole slide: shares of what is wrong, with the limit beside each, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from napari_mmlnb.quality.folds import fold_mask
from napari_mmlnb.quality.pen import pen_mask
from napari_mmlnb.quality.tile_quality import TileQuality
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.glass import glass_colour

Mask = npt.NDArray[np.bool_]
Kind = Literal["tissue", "unreadable", "blur", "pen", "folds"]

_TOUCHED = 0.1

MOST_PIXELS = 1_500_000
"""Of an overview that is looked at as it is."""


@dataclass(frozen=True)
class QualityLimits:
    """What a slide may have of each fault; None where it is told only, and never too much.

    Parameters
    ----------
    tissue_mm2 : float, optional
        Least area of tissue, square millimetres.
    unreadable, blur, pen, folds : float, optional
        Largest shares, 0 to 1: of the tiles that cannot be read; of the judged tiles that are blurred; of the read
        tiles of which a pen covers a tenth; of the tissue's area that looks folded. Folds are told only by default,
        for tissue that is dense by nature (cornified epithelium, a dark epidermis) cannot be told from them.
    """

    tissue_mm2: float | None = 0.1
    unreadable: float | None = 0.02
    blur: float | None = 0.3
    pen: float | None = 0.1
    folds: float | None = None


@dataclass(frozen=True)
class OverviewQuality:
    """What is seen from afar.

    Parameters
    ----------
    pen, folds : ndarray
        (h, w) bool.
    glass : tuple of float
        Grey levels of empty glass.
    tissue_px : int
        Pixels of tissue.
    pixel_mm2 : float
        Area of a pixel, square millimetres.
    """

    pen: Mask
    folds: Mask
    glass: tuple[float, float, float]
    tissue_px: int
    pixel_mm2: float

    def within(self, tissue: Mask) -> OverviewQuality:
        """The same of a part of the tissue: (h, w) bool over the same area, at this or another scale."""
        if tissue.shape != self.folds.shape:
            size = self.folds.shape[::-1]
            tissue = cv2.resize(tissue.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(np.bool_)
        return replace(self, folds=self.folds & tissue, tissue_px=int(np.count_nonzero(tissue)))

    @property
    def tissue_mm2(self) -> float:
        """Area of the tissue."""
        return self.tissue_px * self.pixel_mm2

    @property
    def pen_mm2(self) -> float:
        """Area under a pen, over glass or tissue."""
        return float(np.count_nonzero(self.pen)) * self.pixel_mm2

    @property
    def fold_share(self) -> float:
        """Of the tissue, 0 to 1."""
        return float(np.count_nonzero(self.folds)) / self.tissue_px if self.tissue_px else 0.0


@dataclass(frozen=True)
class QualityFinding:
    """One fault, whether or not there is too much of it.

    Parameters
    ----------
    kind : str
        "tissue", "unreadable", "blur", "pen" or "folds".
    value : float
        A share, 0 to 1; square millimetres for "tissue".
    limit : float or None
        The same; None where it is told only.
    passed : bool
        Whether the limit is kept.
    text : str
        Value and limit in a sentence.
    """

    kind: Kind
    value: float
    limit: float | None
    passed: bool
    text: str


@dataclass(frozen=True)
class SlideQuality:
    """How good a slide is.

    Parameters
    ----------
    findings : tuple of QualityFinding
        One a kind.
    unjudged : float
        Share of the read tiles of which nothing can be said of sharpness, 0 to 1.
    median_sharpness : float
        Of the judged tiles; NaN where there is none.
    """

    findings: tuple[QualityFinding, ...]
    unjudged: float
    median_sharpness: float

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is wrong, in words; empty where all limits are kept."""
        return tuple(one.text for one in self.findings if not one.passed)

    @property
    def passed(self) -> bool:
        """Whether all limits are kept."""
        return not self.reasons

    def finding(self, kind: Kind) -> QualityFinding:
        """The finding of one kind."""
        return next(one for one in self.findings if one.kind == kind)


def measure_overview(rgb: RGB, tissue: Mask, um_per_px: float) -> OverviewQuality:
    """Look for pen marks and folds from afar.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8, the overview that the tissue was found on.
    tissue : ndarray
        (h, w) bool.
    um_per_px : float
        Scale of both; 8 is what the limits were measured at.

    Notes
    -----
    More than `MOST_PIXELS` are looked at with half as many a side: it takes time that a large slide's person would
    wait for. Folds narrower than 32 um are missed then.
    """
    if tissue.size > MOST_PIXELS:
        half = (max(1, tissue.shape[1] // 2), max(1, tissue.shape[0] // 2))
        rgb = np.asarray(cv2.resize(rgb, half, interpolation=cv2.INTER_AREA), np.uint8)
        area = tissue.size * um_per_px**2
        tissue = cv2.resize(tissue.astype(np.uint8), half, interpolation=cv2.INTER_NEAREST).astype(np.bool_)
        um_per_px = math.sqrt(area / tissue.size)
    glass = glass_colour(rgb)
    pen = pen_mask(rgb, glass, um_per_px)
    clean = tissue & ~pen
    folds = fold_mask(rgb, clean, glass, um_per_px)
    return OverviewQuality(pen, folds, glass, int(np.count_nonzero(tissue)), um_per_px**2 * 1e-6)


def judge_slide(
    tiles: TileQuality,
    overview: OverviewQuality,
    limits: QualityLimits | None = None,
    tried: tuple[int, int] | None = None,
) -> SlideQuality:
    """Put tiles and overview together.

    Parameters
    ----------
    tiles : TileQuality
        All tiles that were tried, or a fair sample of them.
    overview : OverviewQuality
        Of the same slide.
    limits : QualityLimits, optional
        The usual ones by default.
    tried : tuple of int, optional
        How many tiles could not be read, and how many were tried in all; by default what `tiles` say.
    """
    most = limits or QualityLimits()
    read, judged = int(tiles.readable.sum()), int(tiles.judged.sum())
    unreadable = (len(tiles) - read, len(tiles)) if tried is None else tried
    touched = tiles.readable & (np.nan_to_num(tiles.pen) >= _TOUCHED)
    findings = (
        _tissue(overview.tissue_mm2, most.tissue_mm2),
        _at_most("unreadable", _share(*unreadable), most.unreadable, "tiles cannot be read"),
        _at_most("blur", _share(int(tiles.blurred.sum()), judged), most.blur, "tiles with structure are out of focus"),
        _at_most("pen", _share(int(touched.sum()), read), most.pen, "tiles are under a pen mark"),
        _at_most("folds", overview.fold_share, most.folds, "tissue looks folded"),
    )
    median = float(np.median(tiles.sharpness[tiles.judged])) if judged else float("nan")
    return SlideQuality(findings, _share(read - judged, read), median)


def _tissue(area_mm2: float, least: float | None) -> QualityFinding:
    beside = "" if least is None else f" (at least {least:.3g})"
    text = f"There are {area_mm2:.3g} mm² of tissue{beside}."
    return QualityFinding("tissue", area_mm2, least, least is None or area_mm2 >= least, text)


def _at_most(kind: Kind, share: float, limit: float | None, what: str) -> QualityFinding:
    beside = "" if limit is None else f" (at most {limit:.1%})"
    return QualityFinding(kind, share, limit, limit is None or share <= limit, f"{share:.1%} of the {what}{beside}.")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
