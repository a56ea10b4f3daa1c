from __future__ import annotations

from pathlib import Path

import pytest

from napari_mmlnb.phantom.slide import render_phantom, write_phantom
from napari_mmlnb.phantom.truth import PhantomTruth

SMALL = (1536, 1152)


@pytest.fixture(scope="session")
def written(tmp_path_factory) -> tuple[Path, PhantomTruth]:
    """A phantom of 1536 x 1152 px on disk, subtype D."""
    path = tmp_path_factory.mktemp("phantom") / "slide.tiff"
    return path, write_phantom(path, subtype="d", seed=11, size=SMALL)


@pytest.fixture(scope="session")
def truths() -> dict[str, PhantomTruth]:
    """The truth of one phantom a subtype, 1 mm wide, drawn coarsely."""
    return {
        subtype: render_phantom(subtype=subtype, seed=12, size=(1024, 1024), mpp=1.0)[2]
        for subtype in ("ud", "pd", "d")
    }
