"""Small slides with known content, for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import tifffile
from scipy import sparse

RGB = npt.NDArray[np.uint8]


def tissue_picture(height: int, width: int, seed: int = 0) -> RGB:
    """Glass with a round piece of pink and violet tissue in the middle, its diameter 0.6 of the shorter side."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 243.0)
    rows, columns = np.indices((height, width))
    inside = np.hypot(rows - height / 2, columns - width / 2) < 0.3 * min(height, width)
    grain = cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), 4)
    share = np.clip(0.5 + grain / grain.std() / 4, 0, 1)[..., None]
    picture[inside] = (share * (226, 168, 205) + (1 - share) * (120, 80, 160))[inside]
    picture += rng.normal(0, 1.5, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def area_level(picture: RGB, height: int, width: int) -> RGB:
    """The picture at another size, each pixel the mean of the exact area that it covers."""
    rows = _weights(height, picture.shape[0]) @ picture.astype(np.float64).reshape(picture.shape[0], -1)
    turned = rows.reshape(height, -1, 3).transpose(1, 0, 2).reshape(picture.shape[1], -1)
    out = _weights(width, picture.shape[1]) @ turned
    return np.rint(out.reshape(width, height, 3).transpose(1, 0, 2)).astype(np.uint8)


def _weights(out: int, size: int) -> sparse.csr_array:
    """Share of each input pixel in each output pixel, (out, size)."""
    step = size / out
    entries = []
    for index in range(out):
        low, high = index * step, (index + 1) * step
        for pixel in range(int(low), min(int(np.ceil(high)), size)):
            entries.append((index, pixel, (min(high, pixel + 1) - max(low, pixel)) / step))
    rows, columns, weights = zip(*entries, strict=True)
    return sparse.csr_array((weights, (rows, columns)), shape=(out, size))


def write_tiff(
    path: Path,
    *,
    picture: RGB | None = None,
    downsamples: Sequence[float] = (),
    mpp: tuple[float, float] | None = (0.5, 0.5),
    compression: str | None = "deflate",
    photometric: str = "ycbcr",
    subifds: bool = False,
    ome: bool = False,
    tile: int = 256,
) -> Path:
    """Write a tiled TIFF.

    Parameters
    ----------
    path : Path
        Where to.
    picture : ndarray
        Level 0; random noise of 700 x 600 px by default.
    downsamples : sequence of float
        Of the further levels, nominal; their sizes are rounded to whole pixels.
    mpp : (x, y) or None
        Written as resolution tags in centimetres (OME: as PhysicalSize).
    compression : str
        As tifffile names it.
    photometric : str
        What a JPEG holds: "ycbcr" or "rgb".
    subifds : bool
        Put the levels into SubIFDs instead of pages.
    ome : bool
        Write OME-XML.
    tile : int
        Side of a tile, pixels.
    """
    if picture is None:
        picture = np.random.default_rng(0).integers(0, 256, (600, 700, 3), dtype=np.uint8)
    height, width = picture.shape[:2]
    options: dict[str, object] = {"tile": (tile, tile), "photometric": "rgb", "compression": compression}
    if compression == "jpeg":
        # tifffile stores RGB as YCbCr unless told to leave it.
        options["compressionargs"] = {"level": 95} | ({"outcolorspace": "RGB"} if photometric == "rgb" else {})
    metadata: dict[str, object] | None = None
    if ome:
        metadata = {"axes": "YXS"}
        if mpp is not None:
            metadata |= {"PhysicalSizeX": mpp[0], "PhysicalSizeY": mpp[1]}
    elif mpp is not None:
        options |= {"resolution": (1e4 / mpp[0], 1e4 / mpp[1]), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path, ome=ome) as tif:
        tif.write(picture, metadata=metadata, subifds=len(downsamples) if subifds or ome else None, **options)
        for factor in downsamples:
            level = area_level(picture, round(height / factor), round(width / factor))
            tif.write(level, subfiletype=1, metadata=None, **{k: v for k, v in options.items() if k[:3] != "res"})
    return path
