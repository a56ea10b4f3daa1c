"""What can run an encoder on the processor."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from napari_mmlnb.cli.checks.finding import Check, Finding, State


def _examine() -> Iterator[Finding]:
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
