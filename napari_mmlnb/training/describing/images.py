"""Images of a table, one at a time: a large cohort need not fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from napari_mmlnb.training.image_file import check_image_files, read_rgb
from napari_mmlnb.training.image_level.table import ImageCase


def read_image(path: Path) -> Image.Image:
    """An image in RGB, at its own size; raises RequestError as `read_rgb`."""
    return read_rgb(path)


def check_images(cases: Sequence[ImageCase]) -> None:
    """Decode every image once; raises RequestError as `check_image_files`."""
    check_image_files([case.path for case in cases], [case.file_name for case in cases])
