"""Pixels of a phantom as they come out of a slide file."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

RGB = npt.NDArray[np.uint8]


def as_stored(rgb: RGB, quality: int) -> RGB:
    """A picture, (h, w, 3) uint8, with the losses of JPEG at a quality of 1 to 100."""
    _, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    back: RGB = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return np.ascontiguousarray(back[..., ::-1])
