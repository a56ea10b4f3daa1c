"""Quality of a whole slide: shares of what is wrong, with the limit beside each, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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


@dataclass(frozen=True)
class QualityLimits:
    """What a slide may have of each fault.

    Parameters
    ----------
    tissue_mm2 : float
        Least area of tissue, square millimetres.
    unreadable, blur, pen, folds : float
        Largest shares, 0 to 1: of the tiles that cannot be read; of the judged tiles that are blurred; of the read
        tiles of which a pen covers a tenth; of the tissue's area that lies folded.
    """

    tissue_mm2: float = 0.1
    unreadable: float = 0.02
    blur: float = 0.3
    pen: float = 0.1
    folds: float = 0.03


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
    value, limit : float
        A share, 0 to 1; square millimetres for "tissue".
    passed : bool
        Whether the limit is kept.
    text : str
        Value and limit in a sentence.
    """

    kind: Kind
    value: float
    limit: float
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
    """
    glass = glass_colour(rgb)
    pen = pen_mask(rgb, glass, um_per_px)
    clean = tissue & ~pen
    folds = fold_mask(rgb, clean, glass, um_per_px)
    return OverviewQuality(pen, folds, glass, int(np.count_nonzero(tissue)), um_per_px**2 * 1e-6)


def judge_slide(tiles: TileQuality, overview: OverviewQuality, limits: QualityLimits | None = None) -> SlideQuality:
    """Put tiles and overview together.

    Parameters
    ----------
    tiles : TileQuality
        All tiles that were tried.
    overview : OverviewQuality
        Of the same slide.
    limits : QualityLimits, optional
        The usual ones by default.
    """
    most = limits or QualityLimits()
    read, judged = int(tiles.readable.sum()), int(tiles.judged.sum())
    touched = tiles.readable & (np.nan_to_num(tiles.pen) >= _TOUCHED)
    enough = overview.tissue_mm2 >= most.tissue_mm2
    area = f"There are {overview.tissue_mm2:.3g} mm² of tissue (at least {most.tissue_mm2:.3g})."
    findings = (
        QualityFinding("tissue", overview.tissue_mm2, most.tissue_mm2, enough, area),
        _at_most("unreadable", _share(len(tiles) - read, len(tiles)), most.unreadable, "tiles cannot be read"),
        _at_most("blur", _share(int(tiles.blurred.sum()), judged), most.blur, "tiles with structure are out of focus"),
        _at_most("pen", _share(int(touched.sum()), read), most.pen, "tiles are under a pen mark"),
        _at_most("folds", overview.fold_share, most.folds, "tissue lies in folds"),
    )
    median = float(np.median(tiles.sharpness[tiles.judged])) if judged else float("nan")
    return SlideQuality(findings, _share(read - judged, read), median)


def _at_most(kind: Kind, share: float, limit: float, what: str) -> QualityFinding:
    text = f"{share:.1%} of the {what} (at most {limit:.1%})."
    return QualityFinding(kind, share, limit, share <= limit, text)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
