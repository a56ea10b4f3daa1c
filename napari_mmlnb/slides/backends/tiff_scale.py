"""Micrometres per pixel from the tags of a TIFF."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

import tifffile

Scale = tuple[tuple[float, float] | None, str]

# OME-XML's length units in micrometres; "pixel" and "reference frame" are no lengths and so absent.
_UNITS_UM = {
    "m": 1e6, "dm": 1e5, "cm": 1e4, "mm": 1e3, "µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3, "pm": 1e-6, "Å": 1e-4,
    "in": 25400.0, "ft": 304800.0, "thou": 25.4, "mil": 25.4, "pt": 25400.0 / 72,
}  # fmt: skip
_PER_UNIT_UM = {tifffile.RESUNIT.CENTIMETER: 1e4, tifffile.RESUNIT.INCH: 25400.0}


def tiff_mpp(page: Any, ome_xml: str | None) -> Scale:
    """Micrometres per level-0 pixel, (x, y), and the tag that says so; (None, "") where none does.

    Parameters
    ----------
    page : tifffile.TiffPage
        The page of the highest resolution.
    ome_xml : str or None
        The OME header, for an OME-TIFF.
    """
    if ome_xml is not None:
        mpp = _ome_mpp(ome_xml, page.imagewidth, page.imagelength)
        if mpp is not None:
            return mpp, "ome.PhysicalSizeX"
    aperio = re.search(r"\|\s*MPP\s*=\s*([0-9.eE+-]+)", page.description) if "Aperio" in page.description else None
    if aperio:
        mpp = _positive(aperio[1], aperio[1])
        if mpp is not None:
            return mpp, "aperio.MPP"
    mpp = _resolution_mpp(page)
    return (mpp, "tiff.XResolution") if mpp is not None else (None, "")


def _positive(x: object, y: object) -> tuple[float, float] | None:
    try:
        pair = float(str(x)), float(str(y))
    except ValueError:
        return None
    return pair if all(math.isfinite(v) and v > 0 for v in pair) else None


def _ome_mpp(xml: str, width: int, height: int) -> tuple[float, float] | None:
    """Of the OME image whose size is that of level 0."""
    try:
        root = ElementTree.fromstring(xml)  # noqa: S314 (expat bounds entity expansion; no network is touched)
    except ElementTree.ParseError:
        return None
    for pixels in root.iter():
        if not pixels.tag.endswith("}Pixels") and pixels.tag != "Pixels":
            continue
        if (pixels.get("SizeX"), pixels.get("SizeY")) != (str(width), str(height)):
            continue
        units = [_UNITS_UM.get(pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "XY"]
        sizes = _positive(pixels.get("PhysicalSizeX"), pixels.get("PhysicalSizeY"))
        if sizes is not None and units[0] is not None and units[1] is not None:
            return sizes[0] * units[0], sizes[1] * units[1]
    return None


def _resolution_mpp(page: Any) -> tuple[float, float] | None:
    """From XResolution and its unit; a resolution without a unit, or of 1, is no scale."""
    tags = [page.tags.get(name) for name in ("XResolution", "YResolution")]
    unit = page.tags.get("ResolutionUnit")
    per_unit = _PER_UNIT_UM.get(unit.value) if unit is not None else None
    if per_unit is None or tags[0] is None or tags[1] is None:
        return None
    rates = []
    for tag in tags:
        numerator, denominator = tag.value
        if numerator <= 0 or denominator <= 0 or numerator == denominator:
            return None
        rates.append(numerator / denominator)
    return per_unit / rates[0], per_unit / rates[1]
