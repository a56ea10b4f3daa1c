"""Whatever befalls a run or its cache: a typed error or the same answer, and nothing lost."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.registry import load_bundle
from napari_mmlnb.bundles.selftest import run_selftest
from napari_mmlnb.errors import BundleError, FeatureError
from napari_mmlnb.inference import feature_cache, runner
from napari_mmlnb.inference.bundle_runtime import bundle_runtime
from napari_mmlnb.inference.feature_cache import FeatureCache, cache_folder
from napari_mmlnb.inference.runner import classify
from napari_mmlnb.inference.settings import RunSettings
from napari_mmlnb.result import RunResult
from tests.bundle_factory import make_bundle
from tests.bundles.test_bundle import _repin
from tests.inference.test_feature_cache_harm import files_no_larger_than


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def result(bundle: Bundle, small_slide: Path) -> RunResult:
    """What a run says that nothing befell and that kept nothing."""
    return classify(small_slide, bundle, settings=RunSettings(batch=4, cache_bytes=0))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(feature_cache, "CHUNK_TILES", 4)
    return 4


def _same(one: RunResult, other: RunResult) -> bool:
    differs = {"run_id", "created", "timings"}
    return one.model_dump(exclude=differs) == other.model_dump(exclude=differs)


SETTINGS = RunSettings(batch=4)


def test_a_cache_that_takes_no_more_in_the_middle_costs_the_run_nothing(
    bundle: Bundle, small_slide: Path, result: RunResult, small_chunks: int
) -> None:
    chunk_bytes = small_chunks * bundle.encoder.dimension * 4
    with files_no_larger_than(chunk_bytes // 2):
        updates = list(classify(small_slide, bundle, settings=SETTINGS, stream=True))
    assert _same(updates[-1].result, result)
    assert any("not kept for the next run" in update.message for update in updates), "and it is said"
    again = classify(small_slide, bundle, settings=SETTINGS)
    assert _same(again, result)
    assert again.timings["tiles_from_cache"] == 0
    assert classify(small_slide, bundle, settings=SETTINGS).timings["tiles_from_cache"] == result.coverage.tiles_total


def test_a_disk_that_is_full_before_the_run_costs_it_nothing(
    bundle: Bundle, small_slide: Path, result: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = feature_cache.shutil.disk_usage("/")
    monkeypatch.setattr(feature_cache.shutil, "disk_usage", lambda _path: type(usage)(usage.total, usage.total, 0))
    updates = list(classify(small_slide, bundle, settings=SETTINGS, stream=True))
    assert _same(updates[-1].result, result)
    assert any("left free on the disk" in update.message for update in updates)


def test_a_cache_that_cannot_be_written_costs_the_run_nothing(
    bundle: Bundle, small_slide: Path, result: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "taken"))
    assert _same(classify(small_slide, bundle, settings=SETTINGS), result)
    assert (tmp_path / "taken").read_text() == "no folder"


@pytest.mark.parametrize("seed", [0, 1])
def test_a_cache_in_decay_is_repaired_with_the_same_answer(
    bundle: Bundle, small_slide: Path, result: RunResult, small_chunks: int, seed: int
) -> None:
    classify(small_slide, bundle, settings=SETTINGS)
    chunks = sorted(cache_folder().glob("*/*.zarr/*/c/*/0"))
    draw = np.random.default_rng(seed)
    for path in draw.permutation(np.array([str(chunk) for chunk in chunks]))[: len(chunks) // 2]:
        data = bytearray(Path(path).read_bytes())
        if draw.random() < 0.5:
            data[draw.integers(len(data))] ^= 1
        else:
            data = data[: len(data) // 2]
        Path(path).write_bytes(data)
    repaired = classify(small_slide, bundle, settings=SETTINGS)
    assert _same(repaired, result)
    assert 0 <= repaired.timings["tiles_from_cache"] < result.coverage.tiles_total
    again = classify(small_slide, bundle, settings=SETTINGS)
    assert _same(again, result)
    assert again.timings["tiles_from_cache"] == result.coverage.tiles_total


def test_room_that_is_made_in_the_middle_of_a_run_costs_it_nothing(
    bundle: Bundle, small_slide: Path, result: RunResult, small_chunks: int
) -> None:
    updates = classify(small_slide, bundle, settings=SETTINGS, stream=True)
    last = None
    for update in updates:
        if update.stage == "encode" and update.done >= 2 * small_chunks:
            feature_cache.make_room(cache_folder(), 0, keep="")
        last = update
    assert _same(last.result, result)
    after = classify(small_slide, bundle, settings=SETTINGS)
    assert _same(after, result)


def test_two_runs_at_once_on_one_slide_are_both_right(
    bundle: Bundle, small_slide: Path, result: RunResult, small_chunks: int
) -> None:
    answers: list[RunResult] = []
    runs = [
        threading.Thread(target=lambda: answers.append(classify(small_slide, bundle, settings=SETTINGS)))
        for _ in range(2)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [_same(answer, result) for answer in answers] == [True, True]
    third = classify(small_slide, bundle, settings=SETTINGS)
    assert _same(third, result)
    assert third.timings["tiles_from_cache"] == result.coverage.tiles_total


def test_features_that_are_no_numbers_are_neither_answered_from_nor_kept(
    bundle: Bundle, small_slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = bundle_runtime(bundle, torch.device("cpu"))
    encode = chosen.runtime.encode

    def broken(pixels: np.ndarray) -> np.ndarray:
        features = encode(pixels)
        features[-1, 0] = float("nan")
        return features

    monkeypatch.setattr(chosen.runtime, "encode", broken)
    monkeypatch.setattr(runner, "bundle_runtime", lambda *_: chosen)
    kept: list[np.ndarray] = []
    monkeypatch.setattr(FeatureCache, "add", lambda _self, _cells, features: kept.append(features))
    with pytest.raises(FeatureError, match="finite"):
        classify(small_slide, bundle, settings=SETTINGS)
    assert all(np.isfinite(features).all() for features in kept)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_do_not_pass_the_self_test(tmp_path: Path, value: float) -> None:
    folder = make_bundle(tmp_path / "bundle").folder
    path = folder / "weights.safetensors"
    tensors = load_file(path)
    name = next(name for name in tensors if name.startswith("system.") and name.endswith("head.weight"))
    tensors[name][0, 0] = value
    save_file(tensors, path)
    _repin(folder, path.name)
    with pytest.raises(BundleError):
        run_selftest(load_bundle(folder), torch.device("cpu"))


@pytest.mark.parametrize("tiles", [1, 7, 20_000])
def test_contributions_and_the_bias_give_the_logits_of_a_bag_of_any_size(bundle: Bundle, tiles: int) -> None:
    from napari_mmlnb.inference.answer import answer_image, rate_tiles

    draw = np.random.default_rng(tiles)
    scale = draw.uniform(0.5, 3, bundle.encoder.dimension)
    features = (draw.standard_normal((tiles, bundle.encoder.dimension)) * scale).astype(np.float32)
    answer = answer_image(bundle, rate_tiles(bundle, features, torch.device("cpu")))
    bias = bundle.system.image_head.bias.detach().numpy()
    assert answer.contribution.shape == (tiles, len(bundle.spec.classes))
    total = answer.contribution.astype(np.float64).sum(axis=0) + bias
    np.testing.assert_allclose(total, answer.logits, atol=1e-4)


def test_the_written_contributions_of_the_shipped_bundle_give_its_logits(small_slide: Path) -> None:
    shipped = load_bundle()
    run = classify(small_slide, shipped, settings=replace(SETTINGS, cache_bytes=0))
    bias = shipped.system.image_head.bias.detach().numpy()
    total = np.array([np.nansum(run.maps.contribution[c], dtype=np.float64) for c in shipped.spec.class_ids]) + bias
    temperature = shipped.calibration.temperature["image"]
    log_p = np.log([run.probabilities.image[c] for c in shipped.spec.class_ids])
    # Probabilities tell the logits up to a constant.
    told = (log_p - log_p.mean()) * temperature
    np.testing.assert_allclose(total - total.mean(), told, atol=1e-4)
