"""napari's sample data: a synthetic slide, made on first use and kept in the user's cache folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.utils import progress
from platformdirs import user_cache_path

from napari_mmlnb import __version__
from napari_mmlnb.phantom.slide import write_phantom
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.viewer.slide_layer import slide_layer_data

SUBTYPE = "pd"
SIZE = (4096, 4096)
SEED = 900_002
"""Far from the seeds that bundles are trained on."""


def sample_path() -> Path:
    """Where the sample lies; another version of the program makes its own."""
    folder = user_cache_path("napari-mmlnb", appauthor=False) / "samples" / __version__
    return folder / "synthetic-neuroblastic-slide.tiff"


def synthetic_slide() -> list[tuple[Any, ...]]:
    """Layer data of the synthetic slide."""
    path = sample_path()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"draft-{path.name}")
        with progress(total=0, desc="Making the synthetic slide"):
            write_phantom(draft, subtype=SUBTYPE, seed=SEED, size=SIZE)
        draft.with_suffix(".truth.json").replace(path.with_suffix(".truth.json"))
        # The slide last: its name exists only once it is whole.
        draft.replace(path)
    return [slide_layer_data(open_slide(path))]
