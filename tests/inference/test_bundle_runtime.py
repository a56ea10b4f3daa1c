from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.errors import BundleError
from napari_mmlnb.inference import bundle_runtime as module
from napari_mmlnb.inference.bundle_runtime import bundle_runtime
from napari_mmlnb.inference.runtimes import choice, measure
from napari_mmlnb.registry import Registry
from tests.bundle_factory import make_bundle
from tests.inference.runtimes.made import CPU, Kind

RIGHT = Kind("right", seconds_a_tile=4e-2)
# The cosine does not notice; the logits do.
SKEWED = Kind("skewed", scale=5.0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """Two runtimes on a machine that knows nothing yet; of which the self-test was asked."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    module._kept.cache_clear()
    registry = Registry("runtime", (RIGHT, SKEWED))
    monkeypatch.setattr(choice, "RUNTIMES", registry)
    monkeypatch.setattr(measure, "RUNTIMES", registry)
    seen: list[str] = []
    ask = module.selftest_failure

    def count(bundle, device, encode, where, **options):
        seen.append(where)
        return ask(bundle, device, encode, where, **options)

    monkeypatch.setattr(module, "selftest_failure", count)
    yield seen
    module._kept.cache_clear()


def test_the_runtime_that_will_compute_is_asked_and_not_the_network(bundle: Bundle, asked: list[str]) -> None:
    with pytest.raises(BundleError, match="self-test of untrained fails with skewed on cpu"):
        bundle_runtime(bundle, CPU, "skewed")
    assert bundle_runtime(bundle, CPU, "right").runtime.facts.name == "right"
    assert asked == ["skewed on cpu", "right on cpu"]


def test_auto_passes_over_a_faster_one_that_fails(bundle: Bundle, asked: list[str]) -> None:
    chosen = bundle_runtime(bundle, CPU)
    assert chosen.runtime.facts.name == "right"
    assert "not skewed: The self-test" in chosen.reason


def test_it_is_asked_once_and_again_for_other_weights(
    bundle: Bundle, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        bundle_runtime(bundle, CPU, "right")
        module._kept.cache_clear()  # another process
    assert asked == ["right on cpu"]
    with torch.no_grad():
        bundle.system.image_head.bias += 0.2
    try:
        with pytest.raises(BundleError, match="self-test"):
            bundle_runtime(bundle, CPU, "right")
    finally:
        with torch.no_grad():
            bundle.system.image_head.bias -= 0.2


def test_the_next_run_finds_it_ready(bundle: Bundle, asked: list[str]) -> None:
    assert bundle_runtime(bundle, CPU, "right").runtime is bundle_runtime(bundle, CPU, "right").runtime


def test_two_that_ask_at_once_measure_once(bundle: Bundle, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The viewer makes the engine ready in the background; a click on Classify must wait for that, not repeat it."""
    measured: list[str] = []
    measure_all = choice.measure_runtimes
    monkeypatch.setattr(choice, "measure_runtimes", lambda *args: (measured.append("once"), measure_all(*args))[1])
    with ThreadPoolExecutor(3) as pool:
        chosen = list(pool.map(lambda _: bundle_runtime(bundle, CPU), range(3)))
    assert measured == ["once"]
    assert all(one.runtime is chosen[0].runtime for one in chosen)


def test_it_is_known_beforehand_whether_there_is_something_to_measure(bundle: Bundle, asked: list[str]) -> None:
    side = bundle.spec.encoder.input_px
    assert not choice.is_measured(bundle.encoder, CPU, side)
    bundle_runtime(bundle, CPU)
    assert choice.is_measured(bundle.encoder, CPU, side)
