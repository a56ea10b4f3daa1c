"""What can run an encoder on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from napari_mmlnb.cli.checks.finding import Check, Fact, Finding, State


def _examine() -> Iterator[Finding]:
    yield _runtimes()
    yield from _openvino()


def _runtimes() -> Finding:
    """Which runtimes of the registry serve the device that a run would take, and why others that could do not."""
    from napari_mmlnb.inference.device import choose_device
    from napari_mmlnb.inference.runtimes.base import wrong_device
    from napari_mmlnb.inference.runtimes.registry import RUNTIMES

    device = choose_device().device
    refusals = {kind.name: kind.refusal(device) for kind in RUNTIMES if not wrong_device(kind.facts, device)}
    usable = [name for name, why in refusals.items() if not why]
    refused = [f"not {name}: {why}" for name, why in refusals.items() if why]
    text = "; ".join([f"on {device.type}: {', '.join(usable) or 'none'}", *refused])
    facts: dict[str, Fact] = {name: not why for name, why in refusals.items()}
    return Finding("runtimes", State.OK if usable else State.PROBLEM, text, facts=facts)


def _openvino() -> Iterator[Finding]:
    if find_spec("openvino") is None:
        yield Finding(
            "OpenVINO",
            State.ABSENT,
            "not installed; PyTorch encodes on the processor, several times slower",
            "pip install 'napari-mmlnb[cpu]'",
        )
        return
    import openvino

    devices = ", ".join(openvino.Core().available_devices)
    version = openvino.__version__.split("-", maxsplit=1)[0]
    yield Finding("OpenVINO", State.OK, f"{version}, computes on {devices}", facts={"version": version})


CHECK = Check("runtimes", "Looking at what runs the encoder", _examine)
