"""Which runtime computes, and why: measured once, and then always the same on a machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import torch
from pydantic import BaseModel, ConfigDict

from napari_mmlnb.errors import BundleError, RequestError
from napari_mmlnb.inference.code_version import code_digest
from napari_mmlnb.inference.kept import key_of, recall, remember
from napari_mmlnb.inference.runtimes.base import EncoderRuntime
from napari_mmlnb.inference.runtimes.machine import device_name, usable_cores
from napari_mmlnb.inference.runtimes.measure import RuntimeFigure, first_line, measure_runtimes, precision_refusal
from napari_mmlnb.inference.runtimes.registry import AUTO, RUNTIMES
from napari_mmlnb.inference.runtimes.weights import facts_text, weights_digest
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.slides.backends.base import RGB

Test = Callable[[EncoderRuntime], str]
"""Says what is wrong with a runtime's answers; nothing where they are right."""

_KIND = "runtimes/choices"
_LIBRARIES = ("napari-mmlnb", "numpy", "openvino", "timm", "torch")


@dataclass(frozen=True)
class ChosenRuntime:
    """A runtime, ready, and how it came to be chosen.

    Parameters
    ----------
    runtime : EncoderRuntime
        What computes.
    reason : str
        For the record: the same words on this machine each time.
    figures : tuple of RuntimeFigure
        What was measured when it was chosen; empty where it was asked for by name.
    """

    runtime: EncoderRuntime
    reason: str
    figures: tuple[RuntimeFigure, ...] = ()


class _Figures(BaseModel):
    figures: tuple[RuntimeFigure, ...]

    model_config = ConfigDict(frozen=True, extra="forbid")


def choose_runtime(encoder: PatchEncoder, device: torch.device, name: str, tiles: RGB, test: Test) -> ChosenRuntime:
    """Build the runtime that is asked for, or the fastest one that gives the right features.

    Parameters
    ----------
    encoder : PatchEncoder
        On the CPU.
    device : torch.device
        Where to compute.
    name : str
        "auto" or the name of a runtime.
    tiles : ndarray
        (n, H, W, 3) uint8 on which runtimes are measured and compared.
    test : callable
        The last word on a runtime that was built.

    Raises
    ------
    UnknownNameError
        If there is no such runtime.
    RequestError
        If the one that is asked for cannot be used here.
    BundleError
        If it answers wrongly, or all do.
    """
    if name != AUTO:
        return ChosenRuntime(_asked_for(encoder, device, name, tiles.shape[1], test), "asked for")
    figures = runtime_figures(encoder, device, tiles)
    failures: dict[str, str] = {}
    for figure in _ranked(figures):
        try:
            runtime = RUNTIMES.get(figure.name).build(encoder, device, tiles.shape[1])
        except Exception as error:  # it worked when it was measured; the next one may still
            failures[figure.name] = first_line(error)
            continue
        failure = test(runtime)
        if not failure:
            return ChosenRuntime(runtime, _reason(figures, failures), figures)
        failures[figure.name] = failure
    told = " ".join(f"{runtime}: {why}" for runtime, why in failures.items())
    raise BundleError(
        encoder.facts.name,
        f"No runtime computes {encoder.facts.name} as it should be on {device.type}. {told}".strip(),
        "Do not trust this model here; try --device cpu." if device.type != "cpu" else "Do not trust this model here.",
    )


def runtime_figures(encoder: PatchEncoder, device: torch.device, tiles: RGB) -> tuple[RuntimeFigure, ...]:
    """What was measured on this machine, with these libraries, for this encoder; measured now if it never was."""
    key = _figures_key(encoder, device, tiles.shape[1])
    kept = recall(_KIND, key, _Figures)
    if kept is None:
        kept = remember(_KIND, key, _Figures(figures=measure_runtimes(encoder, device, tiles)))
    return kept.figures


def is_measured(encoder: PatchEncoder, device: torch.device, tile_px: int) -> bool:
    """Whether `runtime_figures` has them already; else it takes seconds, of which a person should know the reason."""
    return recall(_KIND, _figures_key(encoder, device, tile_px), _Figures) is not None


def _figures_key(encoder: PatchEncoder, device: torch.device, tile_px: int) -> str:
    return key_of(
        {
            "encoder": facts_text(encoder),
            "weights": weights_digest(encoder),
            "tile_px": tile_px,
            "device": device.type,
            "machine": device_name(device),
            "cores": usable_cores(),
            "libraries": {library: _version(library) for library in _LIBRARIES},
            "runtimes": RUNTIMES.names,
            "code": code_digest(),
        }
    )


def fastest(figures: tuple[RuntimeFigure, ...]) -> str:
    """The name of the one that "auto" takes, if it passes the self-test; empty where none can be used."""
    return next((figure.name for figure in _ranked(figures)), "")


def _asked_for(encoder: PatchEncoder, device: torch.device, name: str, tile_px: int, test: Test) -> EncoderRuntime:
    kind = RUNTIMES.get(name)
    refused = kind.refusal(device) or precision_refusal(kind, encoder)
    if refused:
        raise RequestError(f"The runtime {name} cannot be used: {refused}.", "Leave it to --runtime auto.")
    try:
        runtime = kind.build(encoder, device, tile_px)
    except Exception as error:
        raise RequestError(
            f"The runtime {name} cannot compute {encoder.facts.name}: {first_line(error)}.",
            "Leave it to --runtime auto.",
        ) from error
    failure = test(runtime)
    if failure:
        raise BundleError(encoder.facts.name, failure, "Do not trust this model so; try --runtime auto.")
    return runtime


def _ranked(figures: tuple[RuntimeFigure, ...]) -> Iterator[RuntimeFigure]:
    usable = [figure for figure in figures if not figure.refused and figure.tiles_per_s]
    yield from sorted(usable, key=lambda figure: -(figure.tiles_per_s or 0.0))


def _reason(figures: tuple[RuntimeFigure, ...], failures: dict[str, str]) -> str:
    """Why; without the rates, which are no part of an answer that must come out the same each time."""
    usable = [figure.name for figure in figures if not figure.refused]
    parts = [f"the fastest here of those whose features agree with float32 ({', '.join(usable)})"]
    parts += [f"not {figure.name}: {figure.refused}" for figure in figures if figure.refused]
    parts += [f"not {name}: {why}" for name, why in failures.items()]
    return "; ".join(parts)


@cache
def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
