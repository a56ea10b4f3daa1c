"""A run that is killed without warning goes on where it was, and says the same (at length: `benchmarks/kill.py`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.registry import load_bundle
from napari_mmlnb.inference import feature_cache
from napari_mmlnb.inference.runner import classify
from napari_mmlnb.inference.settings import RunSettings
from napari_mmlnb.result import RunResult
from tests.bundle_factory import make_bundle

CHUNK = 4
SETTINGS = RunSettings(batch=2)

CHILD = f"""
import sys
from napari_mmlnb.inference import feature_cache
from napari_mmlnb.inference.runner import classify
from napari_mmlnb.inference.settings import RunSettings
feature_cache.CHUNK_TILES = {CHUNK}
for update in classify(sys.argv[1], sys.argv[2], settings=RunSettings(batch=2), stream=True):
    if update.stage == "encode":
        print(update.done, flush=True)
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(make_bundle(tmp_path_factory.mktemp("bundle")).folder)


@pytest.fixture(scope="module")
def uninterrupted(bundle: Bundle, small_slide: Path) -> RunResult:
    return classify(small_slide, bundle, settings=RunSettings(batch=2, cache_bytes=0))


@pytest.mark.parametrize("tiles", [1, 7, 14])
def test_killed_in_the_middle_it_goes_on_with_the_same_answer(
    bundle: Bundle, small_slide: Path, uninterrupted: RunResult, tiles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", CHILD, str(small_slide), str(bundle.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout is not None
        done = next(done for line in child.stdout if (done := int(line)) >= tiles)
        child.kill()
    monkeypatch.setattr(feature_cache, "CHUNK_TILES", CHUNK)
    resumed = classify(small_slide, bundle, settings=SETTINGS)
    differs = {"run_id", "created", "timings"}
    assert resumed.model_dump_json(exclude=differs) == uninterrupted.model_dump_json(exclude=differs)
    kept = resumed.timings["tiles_from_cache"]
    assert done - CHUNK < kept < resumed.coverage.tiles_total
    again = classify(small_slide, bundle, settings=SETTINGS)
    assert again.timings["tiles_from_cache"] == resumed.coverage.tiles_total
