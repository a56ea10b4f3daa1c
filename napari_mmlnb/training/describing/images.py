"""Images of a table, one at a time: a large cohort need not fit into memory."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, UnidentifiedImageError

from napari_mmlnb.errors import RequestError


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
