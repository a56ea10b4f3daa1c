"""What can be installed beside the program, and what for."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from types import MappingProxyType

from napari_mmlnb.cli.checks.finding import Check, Finding, State
from napari_mmlnb.cli.checks.packages import PACKAGE, requirements, unmet

EXTRAS = MappingProxyType(
    {
        "gui": "the viewer",
        "cpu": "a faster encoder on the processor (OpenVINO)",
        "transformers": "encoders that are models of transformers",
        "train": "training bundles",
    }
)
"""The extras that a person may want, and what they give; slides at URLs say themselves what they lack."""


def _examine() -> Iterator[Finding]:
    for extra, purpose in EXTRAS.items():
        try:
            missing = [why for one in requirements(extra) if (why := unmet(one))]
        except PackageNotFoundError:
            return
        text = purpose if not missing else f"{purpose}: {'; '.join(missing)}"
        remedy = "" if not missing else f"pip install '{PACKAGE}[{extra}]'"
        too_old_or_new = any("needed is" in why for why in missing)
        state = State.WARNING if too_old_or_new else State.ABSENT if missing else State.OK
        yield Finding(f"extra {extra}", state, text, remedy)


CHECK = Check("extras", "Looking at the extras", _examine)
