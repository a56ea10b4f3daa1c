"""`mmlnb phantom`: a synthetic slide, and everything that is known of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from napari_mmlnb.errors import OutputError


class _Size(click.ParamType):  # type: ignore[type-arg]  # generic only in recent click
    """Width and height in pixels, as WxH."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,6})[xX](\d{1,6})", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a size such as 4096x4096.", param, ctx)
        return int(match[1]), int(match[2])


@click.command(name="phantom", short_help="Write a synthetic slide with its ground truth.")
@click.argument("out", metavar="OUT.tiff", type=click.Path(path_type=Path))
@click.option("--subtype", type=click.Choice(["ud", "pd", "d"]), default="d", show_default=True, help="Subtype.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The same one, the same file.")
@click.option("--size", type=_Size(), default="4096x4096", show_default=True, help="Width and height in pixels.")
@click.option("--mpp", type=float, default=0.5, show_default=True, help="Micrometres per pixel.")
@click.option("--stain-shift", type=float, default=0.0, show_default=True, help="0 as in training, 1 far from it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def command(
    out: Path, subtype: str, seed: int, size: tuple[int, int], mpp: float, stain_shift: float, as_json: bool
) -> None:
    """Write a synthetic neuroblastic slide to OUT.tiff and its ground truth to OUT.truth.json.

    Files that are there already are never replaced.
    """
    from napari_mmlnb.phantom.slide import subtype_named, truth_path, write_phantom

    if out.suffix.lower() not in (".tif", ".tiff"):
        raise OutputError(out, "a phantom is a TIFF, and its name must end in .tiff")
    for path in (out, truth_path(out)):
        if path.exists():
            raise OutputError(path, "it exists already")
    truth = write_phantom(out, subtype=subtype_named(subtype), seed=seed, size=size, mpp=mpp, stain_shift=stain_shift)
    facts: dict[str, Any] = {
        "slide": str(out),
        "truth": str(truth_path(out)),
        "subtype": truth.subtype,
        "seed": truth.seed,
        "size_px": list(truth.size_px),
        "mpp": truth.mpp,
        "stain_shift": truth.stain_shift,
        "cells": truth.cells,
        "differentiating_share": round(truth.differentiating_share, 4),
        "mki": round(truth.mki, 2),
    }
    if as_json:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    click.echo(f"Synthetic slide: {out}, {size[0]} x {size[1]} px of {mpp:g} um, subtype {subtype}, seed {seed}")
    click.echo(f"Ground truth:    {truth_path(out)}")
