"""What a slide looks like from afar: its tissue, and the pen marks and folds on it. Kept between runs.

A slide of which a part could not be decoded is looked at anew each time: what fails may be a network's bad minute.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.inference.code_version import code_digest
from napari_mmlnb.inference.kept import kept_files, key_of, made_once
from napari_mmlnb.quality.slide_quality import OverviewQuality, measure_overview
from napari_mmlnb.slides.overview import read_overview
from napari_mmlnb.slides.slide import Slide
from napari_mmlnb.slides.tissue import TissueMask, find_tissue

_KIND = "overviews"
_FILE = "view.npz"
_VIEW = "view from afar"
_CODE = ("quality", "inference/slide_view.py")


@dataclass(frozen=True)
class SlideView:
    """A slide from afar.

    Parameters
    ----------
    tissue : TissueMask
        All of its tissue.
    quality : OverviewQuality
        Pen marks and folds.
    """

    tissue: TissueMask
    quality: OverviewQuality


def view_slide(slide: Slide, um_per_px: float, *, keep: bool) -> SlideView:
    """Look at an open slide, or recall what was seen.

    Parameters
    ----------
    slide : Slide
        The slide.
    um_per_px : float
        Scale at which to look, micrometres per pixel.
    keep : bool
        Whether what was seen is kept in the person's cache folder, and looked for there; it is kept while the slide is
        open in any case.

    Raises
    ------
    SlideReadError
        If nothing of the slide can be decoded, or the slide has been closed.
    """
    look = (lambda: _recalled(slide, um_per_px)) if keep else (lambda: _seen(slide, um_per_px)[0])
    return slide.findings.once(_VIEW, um_per_px, look)


def _recalled(slide: Slide, um_per_px: float) -> SlideView:
    key = key_of(
        {
            "slide": slide.fingerprint,
            "backend": slide.backend,
            "mpp": slide.mpp.xy,
            "um_per_px": um_per_px,
            "code": code_digest(*_CODE),
        }
    )
    folder = kept_files(_KIND, key)
    kept = None if folder is None else _read(folder / _FILE, slide)
    if kept is not None:
        return kept
    view, whole = _seen(slide, um_per_px)
    if whole:
        made_once(_KIND, key, lambda fresh: _write(fresh / _FILE, view))
    return view


def _seen(slide: Slide, um_per_px: float) -> tuple[SlideView, bool]:
    """The slide as it is, and whether all of it could be decoded."""
    overview = read_overview(slide, um_per_px, slide.bounds)
    tissue = find_tissue(slide, um_per_px, overview=overview)
    return SlideView(tissue, measure_overview(overview.rgb, tissue.mask, um_per_px)), bool(overview.readable.all())


def _write(path: Path, view: SlideView) -> None:
    grid, quality = view.tissue.grid, view.quality
    np.savez_compressed(
        path,
        origin_um=grid.origin_um,
        spacing_um=grid.spacing_um,
        glass=quality.glass,
        tissue_px=quality.tissue_px,
        pixel_mm2=quality.pixel_mm2,
        tissue_shape=view.tissue.mask.shape,
        tissue=np.packbits(view.tissue.mask),
        quality_shape=quality.folds.shape,
        pen=np.packbits(quality.pen),
        folds=np.packbits(quality.folds),
    )


def _read(path: Path, slide: Slide) -> SlideView | None:
    """None where the file is of another form."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            tissue = _mask(kept["tissue"], kept["tissue_shape"])
            pen, folds = (_mask(kept[name], kept["quality_shape"]) for name in ("pen", "folds"))
            (y, x), (height, width) = kept["origin_um"].tolist(), kept["spacing_um"].tolist()
            red, green, blue = kept["glass"].tolist()
            quality = OverviewQuality(pen, folds, (red, green, blue), int(kept["tissue_px"]), float(kept["pixel_mm2"]))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    grid = PixelGrid((tissue.shape[0], tissue.shape[1]), spacing_um=(height, width), origin_um=(y, x))
    extent = slide.grids[0].region
    return SlideView(TissueMask(tissue, grid, extent, slide.bounds or extent), quality)


def _mask(bits: npt.NDArray[np.uint8], shape: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return np.unpackbits(bits, count=int(shape.prod())).astype(np.bool_).reshape(shape.tolist())
