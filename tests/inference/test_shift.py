"""Strange tiles and strange slides are told apart from known ones, and by how much is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.calibration import FamiliarityLimits
from napari_mmlnb.inference.shift import looks_familiar, measure_shift, slide_distance, tile_distances
from napari_mmlnb.models.familiarity import slide_row
from tests.bundle_factory import make_bundle

FEATURES = 1584


def _slide(seed: int, tiles: int = 60, common: float = 0.0) -> np.ndarray:
    """Tiles of a slide: what each has of its own, beside which `common` is small, and what all of them share."""
    rng = np.random.default_rng(seed)
    pattern = np.random.default_rng(99).choice((-1.0, 1.0), FEATURES)
    return (rng.normal(size=(tiles, FEATURES)) + common * pattern).astype(np.float32)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    made = make_bundle(tmp_path_factory.mktemp("bundle"))
    rows = torch.stack([slide_row(torch.from_numpy(_slide(seed))) for seed in range(8)])
    made.slide_familiarity.fit(rows)
    limits = FamiliarityLimits(tile_median=1.3, slide=((4, 60.0), (40, 3.0)), foreign_tile=2.0, foreign_share=0.1)
    return replace(made, calibration=made.calibration.model_copy(update={"familiarity": limits}))


def _shift(bundle: Bundle, features: np.ndarray):
    return measure_shift(bundle, features, tile_distances(bundle, features))


def test_a_known_slide_is_familiar_in_every_way(bundle: Bundle) -> None:
    shift = _shift(bundle, _slide(100))
    assert not shift.beyond
    assert shift.foreign_tiles.count == 0
    assert looks_familiar(bundle, _slide(100))


def test_what_all_tiles_share_is_noticed_where_no_single_tile_is_strange(bundle: Bundle) -> None:
    shift = _shift(bundle, _slide(101, common=0.4))
    assert shift.score < shift.limit
    assert shift.foreign_tiles.count == 0
    assert shift.slide.score > 2 * shift.slide.limit
    assert shift.beyond
    assert not looks_familiar(bundle, _slide(101, common=0.4))


def test_foreign_tiles_in_a_familiar_slide_are_counted_and_refuse_it_when_they_are_many(bundle: Bundle) -> None:
    features = _slide(102)
    features[:3] *= 3
    few = _shift(bundle, features)
    assert (few.foreign_tiles.count, few.foreign_tiles.beyond, few.beyond) == (3, False, False)
    features[:9] = _slide(103)[:9] * 3
    many = _shift(bundle, features)
    assert many.foreign_tiles.share == pytest.approx(9 / 60)
    assert many.foreign_tiles.beyond
    assert many.beyond


def test_one_foreign_tile_of_a_few_does_not_refuse_them(bundle: Bundle) -> None:
    features = _slide(104, tiles=5)
    features[0] *= 3
    shift = _shift(bundle, features)
    assert shift.foreign_tiles.share == pytest.approx(0.2)
    assert not shift.foreign_tiles.beyond


def test_few_tiles_have_a_wider_limit(bundle: Bundle) -> None:
    assert _shift(bundle, _slide(105, tiles=4)).slide.limit == pytest.approx(60.0)
    assert 3.0 < _shift(bundle, _slide(105, tiles=13)).slide.limit < 60.0
    assert _shift(bundle, _slide(105, tiles=400)).slide.limit == pytest.approx(3.0)


def test_the_order_of_the_tiles_does_not_matter_to_a_slide(bundle: Bundle) -> None:
    features = _slide(106)
    assert slide_distance(bundle, features[::-1].copy()) == pytest.approx(slide_distance(bundle, features), rel=1e-4)


def test_a_large_bag_is_rated_tile_by_tile_as_a_small_one(bundle: Bundle) -> None:
    features = np.tile(_slide(107), (20, 1))
    np.testing.assert_allclose(tile_distances(bundle, features)[-60:], tile_distances(bundle, _slide(107)), rtol=1e-5)
    assert tile_distances(bundle, features[:0]).shape == (0,)


def test_the_statistics_come_back_from_the_disk(bundle: Bundle, tmp_path: Path) -> None:
    from napari_mmlnb.bundles.statistics import read_statistics, write_statistics

    write_statistics(tmp_path, bundle.slide_familiarity)
    read = replace(bundle, slide_familiarity=read_statistics(tmp_path, FEATURES))
    assert slide_distance(read, _slide(108)) == slide_distance(bundle, _slide(108))
