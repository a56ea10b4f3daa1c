from __future__ import annotations

import numpy as np
import pytest

from napari_mmlnb.describe.nuclei import NucleiTable, segment_nuclei
from napari_mmlnb.describe.stains import stain_tile

from .conftest import Paint, lattice


def nuclei_of(rgb: np.ndarray, um_per_px: float = 0.5) -> NucleiTable:
    return segment_nuclei(stain_tile(rgb, um_per_px))


@pytest.mark.parametrize("diameter", [6.0, 8.0, 12.0])
def test_discs_are_counted_and_sized(paint: Paint, diameter: float) -> None:
    centres = lattice(16.0)
    found = nuclei_of(paint(centres, diameter))
    assert len(found) == len(centres)
    assert np.median(found.diameter_um) == pytest.approx(diameter, abs=0.6)
    assert found.elongation.max() < 1.15
    assert found.whole.all()


def test_centres_lie_where_the_discs_are(paint: Paint) -> None:
    centres = np.array(lattice(20.0))
    found = nuclei_of(paint([tuple(c) for c in centres], 8.0))
    ours = (found.centre_px + 0.5) * 0.5
    distance = np.linalg.norm(ours[:, None] - centres[None], axis=2).min(axis=1)
    assert distance.max() < 0.5


def test_touching_discs_are_parted(paint: Paint) -> None:
    pairs = [(y, x + shift) for y, x in lattice(25.0) for shift in (0.0, 7.5)]
    found = nuclei_of(paint(pairs, 8.0))
    assert len(found) == pytest.approx(len(pairs), rel=0.05)


def test_a_long_nucleus_stays_one_and_is_called_long(paint: Paint) -> None:
    rod = [(56.0, 46.0 + step) for step in np.arange(0, 14, 0.5)]
    found = nuclei_of(paint(rod, 5.0))
    assert len(found) == 1
    assert found.elongation[0] > 2.5


def test_the_edge_cuts_nuclei(paint: Paint) -> None:
    found = nuclei_of(paint([(0.0, 56.0), (56.0, 56.0)], 10.0))
    assert sorted(found.whole.tolist()) == [False, True]
    assert found.effective_count == 1.5


@pytest.mark.parametrize("um_per_px", [0.25, 0.4, 1.0])
def test_the_scale_that_was_read_does_not_matter(paint: Paint, um_per_px: float) -> None:
    centres = lattice(16.0)
    found = nuclei_of(paint(centres, 9.0, um_per_px=um_per_px), um_per_px)
    assert len(found) == len(centres)
    assert np.median(found.diameter_um) == pytest.approx(9.0, abs=0.9)


def test_pink_ground_alone_holds_no_nuclei(paint: Paint) -> None:
    assert len(nuclei_of(paint([], 8.0, eosin=0.4))) == 0


def test_labels_belong_to_rows(paint: Paint) -> None:
    found = nuclei_of(paint(lattice(16.0), 8.0))
    assert np.array_equal(np.unique(found.labels), np.arange(len(found) + 1))
    for row, (y, x) in enumerate(np.rint(found.centre_px).astype(int)):
        assert found.labels[y, x] == row + 1
