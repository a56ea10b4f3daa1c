"""Pyramidal TIFF as scanners' converters write it: tiled JPEG, one page a level, scale in the resolution tags."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import tifffile

RGB = npt.NDArray[np.uint8]

TILE_PX = 256
SMALLEST_PX = 1000
"""The pyramid ends at the first level whose longer side is below this."""


def write_pyramid(path: Path, rgb: RGB, mpp: float, quality: int) -> None:
    """Write a slide that OpenSlide and tifffile both open level by level.

    The file holds no time and no host, so that the same pixels give the same bytes.

    Parameters
    ----------
    path : Path
        Where to; overwritten.
    rgb : ndarray
        (h, w, 3) uint8, level 0.
    mpp : float
        Micrometres per pixel of level 0.
    quality : int
        Of the JPEG tiles, 1 to 100.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    level, height, width = rgb, *rgb.shape[:2]
    with tifffile.TiffWriter(path) as tiff:
        while True:
            # Per centimetre, each level by its real size, since halving an odd size rounds.
            per_cm = (1e4 / mpp * level.shape[1] / width, 1e4 / mpp * level.shape[0] / height)
            tiff.write(
                level,
                # The pixels handed over; inside the JPEG, and in the tag, they are YCbCr.
                photometric="rgb",
                subsampling=(2, 2),
                compression="jpeg",
                compressionargs={"level": quality, "outcolorspace": "YCBCR"},
                tile=(TILE_PX, TILE_PX),
                resolution=per_cm,
                resolutionunit="CENTIMETER",
                subfiletype=0 if level is rgb else 1,
                software="napari-mmlnb phantom" if level is rgb else False,
                metadata=None,
                maxworkers=1,
            )
            if max(level.shape[:2]) < SMALLEST_PX:
                break
            half = (max(level.shape[1] // 2, 1), max(level.shape[0] // 2, 1))
            level = np.asarray(cv2.resize(level, half, interpolation=cv2.INTER_AREA), np.uint8)
