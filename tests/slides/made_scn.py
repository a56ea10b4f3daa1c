"""A slide in Leica's SCN format: a scan somewhere on a larger canvas, for the tests of bounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from tests.slides.made import RGB, area_level

NM_PER_UM = 1000


def write_scn(
    path: Path,
    scan: RGB,
    *,
    canvas_px: tuple[int, int],
    corner_px: tuple[int, int],
    mpp: float = 0.5,
    downsamples: Sequence[int] = (4,),
) -> Path:
    """Write a scan that lies on a canvas.

    Parameters
    ----------
    path : Path
        Where to; its name should end with .scn.
    scan : ndarray
        What was scanned.
    canvas_px : tuple of int
        Height and width of the canvas, level-0 pixels.
    corner_px : tuple of int
        Where the scan begins on it, (y, x).
    mpp : float
        Micrometres per pixel, both axes.
    downsamples : sequence of int
        Of the further levels.
    """
    nm = round(mpp * NM_PER_UM)
    height, width = scan.shape[:2]
    sizes = [(height, width), *((height // factor, width // factor) for factor in downsamples)]
    dimensions = "".join(
        f'<dimension r="{ifd}" ifd="{1 + ifd}" sizeX="{w}" sizeY="{h}"/>' for ifd, (h, w) in enumerate(sizes)
    )
    view = 'sizeX="{}" sizeY="{}" offsetX="{}" offsetY="{}"'
    whole = view.format(canvas_px[1] * nm, canvas_px[0] * nm, 0, 0)
    part = view.format(width * nm, height * nm, corner_px[1] * nm, corner_px[0] * nm)
    scan_settings = (
        "<scanSettings><objectiveSettings><objective>20</objective></objectiveSettings><illuminationSettings>"
        "<illuminationSource>brightfield</illuminationSource></illuminationSettings></scanSettings>"
    )
    xml = (
        '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
        f'<collection name="c" sizeX="{canvas_px[1] * nm}" sizeY="{canvas_px[0] * nm}">'
        f'<image name="macro">{scan_settings}<pixels sizeX="96" sizeY="64"><dimension ifd="0" sizeX="96" sizeY="64"/>'
        f"</pixels><view {whole}/></image>"
        f'<image name="scan">{scan_settings}<pixels sizeX="{width}" sizeY="{height}">{dimensions}</pixels>'
        f"<view {part}/></image></collection></scn>"
    )
    options = {"tile": (64, 64), "photometric": "rgb", "compression": "deflate", "metadata": None}
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        tif.write(np.full((64, 96, 3), 200, np.uint8), description=xml, **options)
        for h, w in sizes:
            level = scan if (h, w) == sizes[0] else area_level(scan, h, w)
            per_cm = 1e4 / (mpp * height / h)
            tif.write(level, resolution=(per_cm, per_cm), resolutionunit="CENTIMETER", **options)
    return path
