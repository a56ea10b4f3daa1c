"""Images of a table in memory, as the towers want them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from napari_mmlnb.errors import RequestError
from napari_mmlnb.models.encoders.facts import IMAGENET_MEAN, IMAGENET_STD
from napari_mmlnb.models.towers.published import IMAGE_PX
from napari_mmlnb.training.image_file import read_rgb, refuse_images
from napari_mmlnb.training.image_level.table import ImageCase

RGB = npt.NDArray[np.uint8]


def read_images(cases: Sequence[ImageCase], side: int = IMAGE_PX) -> RGB:
    """All images, resized as published, (n, side, side, 3) uint8: 150 kB each.

    Raises
    ------
    RequestError
        If some cannot be used, as `read_rgb`.
    """
    pixels = np.empty((len(cases), side, side, 3), np.uint8)
    problems = [_read_into(row, case) for row, case in zip(pixels, cases, strict=True)]
    refuse_images([case.file_name for case in cases], problems)
    return pixels


def _read_into(pixels: RGB, case: ImageCase) -> RequestError | None:
    side = pixels.shape[0]
    try:
        image = read_rgb(case.path)
    except RequestError as error:
        return error
    pixels[:] = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))
    return None


def image_digests(pixels: RGB) -> list[str]:
    """SHA-256 of each of (n, H, W, 3) images, as the towers see them: copies under other names have the same."""
    return [hashlib.sha256(np.ascontiguousarray(one).data).hexdigest() for one in pixels]


def normalised(pixels: RGB, device: torch.device) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) float32 with ImageNet's mean and deviation."""
    x = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 255
    mean, deviation = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (x - mean) / deviation
