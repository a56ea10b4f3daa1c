"""A run that is killed without warning goes on where it was, and says the same (at length: `benchmarks/kill.py`)."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.registry import load_bundle
from napari_mmlnb.inference import feature_cache
from napari_mmlnb.inference.runner import classify
from napari_mmlnb.inference.settings import RunSettings
from tests.bundle_factory import make_bundle
from tests.slides.made import tissue_picture, write_tiff

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
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slide with some dozens of tiles."""
    return write_tiff(tmp_path_factory.mktemp("slides") / "slide.tiff", picture=tissue_picture(2400, 3000))


def killed_after(tiles: int, slide: Path, bundle: Bundle) -> int:
    """Run in a process of its own, kill that when so many tiles have their features, and say how many have."""
    command = [sys.executable, "-c", CHILD, str(slide), str(bundle.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout is not None
        done = next(done for line in child.stdout if (done := int(line)) >= tiles)
        child.kill()
    assert child.returncode != 0, "it was killed, and had not come to its end"
    return done


@pytest.mark.slow
def test_killed_again_and_again_it_goes_on_with_the_same_answer(
    bundle: Bundle, slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anew = classify(slide, bundle, settings=replace(SETTINGS, cache_bytes=0))
    assert anew.coverage.tiles_total > 24
    for tiles in (2, 9, 20):
        done = killed_after(tiles, slide, bundle)
    monkeypatch.setattr(feature_cache, "CHUNK_TILES", CHUNK)
    resumed = classify(slide, bundle, settings=SETTINGS)
    differs = {"run_id", "created", "timings"}
    assert resumed.model_dump_json(exclude=differs) == anew.model_dump_json(exclude=differs)
    assert done - CHUNK < resumed.timings["tiles_from_cache"] < resumed.coverage.tiles_total
    again = classify(slide, bundle, settings=SETTINGS)
    assert again.timings["tiles_from_cache"] == resumed.coverage.tiles_total
    assert again.model_dump_json(exclude=differs) == anew.model_dump_json(exclude=differs)
