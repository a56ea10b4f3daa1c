"""Cases of a table in memory, and a batch of them at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from napari_mmlnb.training.image_level.images import RGB

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ImageTextData:
    """Cases in memory.

    Parameters
    ----------
    pixels : ndarray
        (n, H, W, 3) uint8.
    ids : Tensor
        (n, T) int64, 0 is padding.
    labels : ndarray
        (n,) int64.
    """

    pixels: RGB
    ids: Tensor
    labels: Rows


def batches(rows: Rows, batch: int) -> Iterator[Rows]:
    """Rows in their order, at most so many at a time."""
    return (rows[first : first + batch] for first in range(0, len(rows), batch))
