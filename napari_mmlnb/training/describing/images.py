"""Images of a table, one at a time: a large cohort need not fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.image_level.table import ImageCase

_THREADS = 4


def read_image(path: Path) -> Image.Image:
    """An image in RGB, at its own size.

    Raises
    ------
    RequestError
        If it cannot be read.
    """
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError) as error:
        raise RequestError(
            f"The image {path.name} cannot be read.", "Leave it out of the table, or copy it again."
        ) from error


def check_images(cases: Sequence[ImageCase]) -> None:
    """Decode every image once: better now than in the third hour.

    Raises
    ------
    RequestError
        If some cannot be read.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        readable = list(pool.map(_is_readable, cases))
    broken = [case for case, good in zip(cases, readable, strict=True) if not good]
    if broken:
        raise RequestError(
            f"{len(broken)} of {len(cases)} images cannot be read, the first is {broken[0].file_name}.",
            "Leave them out of the table, or copy them again.",
        )


def _is_readable(case: ImageCase) -> bool:
    try:
        read_image(case.path)
    except RequestError:
        return False
    return True
