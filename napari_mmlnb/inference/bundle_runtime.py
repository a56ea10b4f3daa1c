"""The runtime for a bundle: the one that passes the bundle's self-test here, asked once and remembered."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version

import torch
from pydantic import BaseModel, ConfigDict

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.selftest import selftest_failure, selftest_tiles
from napari_mmlnb.bundles.spec import SELFTEST_FILE
from napari_mmlnb.inference.code_version import code_digest
from napari_mmlnb.inference.kept import key_of, recall, remember
from napari_mmlnb.inference.runtimes.base import EncoderRuntime
from napari_mmlnb.inference.runtimes.choice import ChosenRuntime, choose_runtime
from napari_mmlnb.inference.runtimes.weights import weights_digest

_KIND = "runtimes/selftests"
_ONE_AT_A_TIME = threading.Lock()


class _Passed(BaseModel):
    bundle: str
    runtime: str

    model_config = ConfigDict(frozen=True, extra="forbid")


def bundle_runtime(bundle: Bundle, device: torch.device, name: str = "auto") -> ChosenRuntime:
    """Choose and build what computes a bundle's features.

    Parameters
    ----------
    bundle : Bundle
        Whose encoder; its self-test asks the runtime that will be used, not PyTorch's network.
    device : torch.device
        Where to compute.
    name : str
        "auto" or the name of a runtime.

    Raises
    ------
    UnknownNameError, RequestError
        If the runtime is unknown or cannot be used here.
    BundleError
        If the self-test fails: such a model must not answer.
    """
    key = key_of({"device": str(device), "name": name, **_identity(bundle)})
    # A run that begins while the engine is being made ready waits for it: two that convert and measure at once would
    # take twice as long, and each would measure the other.
    with _ONE_AT_A_TIME:
        return _kept(_Question(key, bundle, device, name))


@dataclass(frozen=True)
class _Question:
    key: str
    bundle: Bundle = field(compare=False)
    device: torch.device = field(compare=False)
    name: str = field(compare=False)


@lru_cache(maxsize=1)
def _kept(asked: _Question) -> ChosenRuntime:
    """The runtime of the last run: the next one with the same model need not build it again."""
    bundle, device = asked.bundle, asked.device
    return choose_runtime(
        bundle.encoder, device, asked.name, selftest_tiles(bundle), lambda runtime: _failure(bundle, device, runtime)
    )


def _identity(bundle: Bundle) -> dict[str, str]:
    """What a bundle's answers depend on, as it is in memory now."""
    return {
        "bundle": bundle.weights_sha256,
        "selftest": bundle.spec.files[SELFTEST_FILE],
        "encoder": weights_digest(bundle.encoder),
        "system": weights_digest(bundle.system),
    }


def _failure(bundle: Bundle, device: torch.device, runtime: EncoderRuntime) -> str:
    """What the self-test says; only that it was passed is remembered."""
    key = key_of(
        {
            **_identity(bundle),
            "device": device.type,
            "runtime": dict(runtime.identity),
            "torch": version("torch"),
            "code": code_digest(),
        }
    )
    if recall(_KIND, key, _Passed) is not None:
        return ""
    failure = runtime_failure(bundle, device, runtime)
    if not failure:
        remember(_KIND, key, _Passed(bundle=bundle.spec.name, runtime=runtime.facts.name))
    return failure


def runtime_failure(bundle: Bundle, device: torch.device, runtime: EncoderRuntime) -> str:
    """Ask a bundle's stored question of a runtime, now: empty if it answers rightly; see `selftest_failure`."""
    return selftest_failure(
        bundle,
        device,
        runtime.encode,
        f"{runtime.facts.name} on {device.type}",
        reduced=runtime.facts.precision != "float32",
    )
