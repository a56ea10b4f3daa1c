"""The answer does not depend on how the work was cut up.

Tolerances: features may differ by what another batch or thread count does to the last digits of a float32 sum (7e-6
seen); attention within 1e-3 of its value, probabilities within 1e-3.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.inference import gathering
from napari_mmlnb.inference.runner import classify
from napari_mmlnb.inference.settings import RunSettings
from napari_mmlnb.phantom.slide import write_phantom
from napari_mmlnb.result import RunResult
from tests.bundle_factory import make_bundle

ATTENTION, PROBABILITY = 1e-3, 1e-3


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("phantom") / "small.tiff"
    write_phantom(path, subtype="pd", seed=77, size=(1344, 1344))
    return path


@pytest.fixture(scope="module")
def expected(bundle: Bundle, phantom: Path) -> RunResult:
    return classify(phantom, bundle, settings=RunSettings(cache_bytes=0))


def _same(result: RunResult, expected: RunResult) -> None:
    assert result.coverage == expected.coverage
    assert result.prediction == expected.prediction
    assert [e.region_um for e in result.evidence] == [e.region_um for e in expected.evidence]
    assert result.description == expected.description
    np.testing.assert_allclose(result.maps.attention, expected.maps.attention, rtol=ATTENTION)
    for branch in ("image", "text", "fused"):
        ours, theirs = getattr(result.probabilities, branch), getattr(expected.probabilities, branch)
        assert ours == pytest.approx(theirs, abs=PROBABILITY), branch


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_the_batch(bundle: Bundle, phantom: Path, expected: RunResult, batch: int) -> None:
    assert expected.coverage.tiles_used > 8
    _same(classify(phantom, bundle, settings=RunSettings(batch=batch, cache_bytes=0)), expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_that_read_and_that_compute(bundle: Bundle, phantom: Path, expected: RunResult, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        _same(classify(phantom, bundle, settings=RunSettings(threads=threads, cache_bytes=0)), expected)
    finally:
        torch.set_num_threads(before)


def test_the_order_of_the_tiles(
    bundle: Bundle, phantom: Path, expected: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "fair_order", lambda tiles, stored_um: np.arange(len(tiles)))
    _same(classify(phantom, bundle, settings=RunSettings(batch=4, cache_bytes=0)), expected)


def test_an_interruption(bundle: Bundle, phantom: Path, expected: RunResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_mmlnb.inference.feature_cache.CHUNK_TILES", 4)
    updates = classify(phantom, bundle, stream=True, settings=RunSettings(batch=4))
    next(u for u in updates if u.stage == "encode" and u.done >= 8)
    updates.close()
    resumed = classify(phantom, bundle)
    assert resumed.timings["tiles_from_cache"] >= 8
    _same(resumed, expected)
