"""The scale of a slide as an option: ``--mpp 0.25`` or ``--mpp 0.25,0.26`` (x, y)."""

from __future__ import annotations

import math
from typing import Any

import click


class MppType(click.ParamType):  # type: ignore[type-arg]  # generic only in recent click
    """Micrometres per pixel, "X" for both axes or "X,Y"; the value is (x, y)."""

    name = "X[,Y]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Parse the option, or fail with what is expected.

        Whether a scanner could have made such pixels is judged when the slide is opened.
        """
        if isinstance(value, tuple):
            return value
        try:
            numbers = [float(part) for part in str(value).split(",")]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, 2) or not all(math.isfinite(number) and number > 0 for number in numbers):
            self.fail(
                f"{value!r} is not a scale: give micrometres per pixel, for example 0.25 or 0.25,0.26.", param, ctx
            )
        return numbers[0], numbers[-1]


MPP = MppType()
