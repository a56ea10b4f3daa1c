"""How fast each runtime is for an encoder on this machine, and how far its features are from the reference."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from napari_mmlnb.inference.runtimes.base import EncoderRuntime, RuntimeKind
from napari_mmlnb.inference.runtimes.reference import MIN_COSINE, least_cosine, reference_features
from napari_mmlnb.inference.runtimes.registry import RUNTIMES
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.slides.backends.base import RGB

ROUNDS = 2
_CALL_TILES = 4


class RuntimeFigure(BaseModel):
    """What was found out about one runtime.

    Parameters
    ----------
    name : str
        Of the runtime.
    tiles_per_s : float, optional
        Median of the rounds; None where it was not measured.
    cosine : float, optional
        Least cosine of a tile's features to those of the reference.
    refused : str
        Why it is not used; empty where it may be.
    """

    name: str
    tiles_per_s: float | None = None
    cosine: float | None = None
    refused: str = ""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure_runtimes(
    encoder: PatchEncoder, device: torch.device, tiles: RGB, rounds: int = ROUNDS
) -> tuple[RuntimeFigure, ...]:
    """Figures of all runtimes of a device, in the order of the registry.

    They are timed in turn, round by round, so that what else the machine does hits all of them.

    Parameters
    ----------
    encoder : PatchEncoder
        On the CPU.
    device : torch.device
        Where.
    tiles : ndarray
        (n, H, W, 3) uint8, tiles such as the encoder will see.
    rounds : int
        How often each is timed.
    """
    figures: dict[str, RuntimeFigure] = {}
    built: dict[str, EncoderRuntime] = {}
    reference = reference_features(encoder, tiles)
    for kind in RUNTIMES:
        runtime, figures[kind.name] = _built(kind, encoder, device, tiles.shape[1])
        if runtime is None:
            continue
        cosine = least_cosine(runtime.encode(tiles), reference)
        figures[kind.name] = RuntimeFigure(name=kind.name, cosine=cosine, refused=_too_far(cosine))
        built[kind.name] = runtime
    rates = _rates(built, tiles, rounds)
    return tuple(figure.model_copy(update={"tiles_per_s": rates.get(figure.name)}) for figure in figures.values())


def precision_refusal(kind: RuntimeKind, encoder: PatchEncoder) -> str:
    """A refusal where an encoder's facts ask for a precision of its own; float32 asks for none."""
    asked = encoder.facts.precision
    if asked in {"float32", kind.facts.precision}:
        return ""
    return f"{encoder.facts.name} computes in {asked}"


def _built(
    kind: RuntimeKind, encoder: PatchEncoder, device: torch.device, tile_px: int
) -> tuple[EncoderRuntime | None, RuntimeFigure]:
    refused = kind.refusal(device) or precision_refusal(kind, encoder)
    if refused:
        return None, RuntimeFigure(name=kind.name, refused=refused)
    try:
        return kind.build(encoder, device, tile_px), RuntimeFigure(name=kind.name)
    except Exception as error:  # a library may say anything of a network that it cannot compute
        return None, RuntimeFigure(name=kind.name, refused=f"it cannot compute this network: {first_line(error)}")


def first_line(error: BaseException) -> str:
    """What a person needs of a library's error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(".")


def _too_far(cosine: float) -> str:
    if cosine >= MIN_COSINE:
        return ""
    return f"its features are too far from float32 (cosine {cosine:.5f}, at least {MIN_COSINE})"


def _rates(built: Mapping[str, EncoderRuntime], tiles: RGB, rounds: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in built}
    calls = {name: _calls(runtime, tiles) for name, runtime in built.items()}
    for _ in range(rounds):
        for name, runtime in built.items():
            seconds[name].append(_time(runtime, calls[name]))
    return {name: round(sum(map(len, calls[name])) / statistics.median(times), 1) for name, times in seconds.items()}


def _calls(runtime: EncoderRuntime, tiles: RGB) -> list[RGB]:
    """As much as keeps all of a runtime's streams at work."""
    piece = runtime.piece or _CALL_TILES
    wanted = max(_CALL_TILES, piece * runtime.streams)
    enough = np.resize(tiles, (wanted, *tiles.shape[1:]))
    return [enough[at : at + piece] for at in range(0, wanted, piece)]


def _time(runtime: EncoderRuntime, calls: list[RGB]) -> float:
    with ThreadPoolExecutor(runtime.streams) as pool:
        started = time.perf_counter()
        for _ in pool.map(runtime.encode, calls):
            pass
        return time.perf_counter() - started
