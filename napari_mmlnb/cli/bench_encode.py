"""`mmlnb bench encode`: how fast each encoder is with each runtime, and how far its features are from float32."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from napari_mmlnb.cli.mpp import MPP
from napari_mmlnb.cli.slide_option import SLIDE

if TYPE_CHECKING:
    import torch

    from napari_mmlnb.slides.backends.base import RGB
    from napari_mmlnb.slides.location import Location
    from napari_mmlnb.slides.slide import Slide

_UM_PER_PX = 0.5


@dataclass(frozen=True)
class EncodeRow:
    """One encoder with one runtime.

    Parameters
    ----------
    encoder, runtime, device : str
        Which.
    tiles_per_s : float or None
        Median of the rounds; None where it was not measured.
    cosine_to_float32 : float or None
        Of the tile that agrees least.
    chosen : bool
        Whether "auto" takes it on this machine.
    why_not : str
        Why it is not used; empty where it may be.
    """

    encoder: str
    runtime: str
    device: str
    tiles_per_s: float | None
    cosine_to_float32: float | None
    chosen: bool
    why_not: str


@click.command(name="encode")
@click.argument("slide", type=SLIDE)
@click.option("--mpp", type=MPP, help="Micrometres per pixel, X or X,Y, where the file does not say or is wrong.")
@click.option(
    "--encoder", "encoders", multiple=True, help="Which encoder; again for more. All that are here by default."
)
@click.option("--device", default="auto", show_default=True, help="Where to compute, for example cpu or cuda.")
@click.option("--tiles", type=click.IntRange(1), default=32, show_default=True, help="Tiles of the slide to encode.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Times each way is measured.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def command(
    slide: Location,
    mpp: tuple[float, float] | None,
    encoders: tuple[str, ...],
    device: str,
    tiles: int,
    rounds: int,
    as_json: bool,
) -> None:
    """Encode tiles of SLIDE with every runtime that this machine has.

    Runtimes are timed in turn, on tiles that have been read already.
    """
    from napari_mmlnb.cli.progress import stdout_kept_clean
    from napari_mmlnb.inference.device import choose_device
    from napari_mmlnb.slides.slide import open_slide

    chosen = choose_device(device)
    if chosen.warning:
        click.echo(f"Warning: {chosen.warning}", err=True)
    rows: list[EncodeRow] = []
    with stdout_kept_clean(), open_slide(slide, mpp=mpp) as opened:
        for name in encoders or encoders_here():
            rows += measure_encoder(name, opened, chosen.device, tiles, rounds)
    if as_json:
        click.echo(json.dumps({"device": chosen.device.type, "rows": [asdict(row) for row in rows]}, indent=2))
    else:
        for line in row_lines(rows):
            click.echo(line)


def encoders_here() -> tuple[str, ...]:
    """Encoders of the table whose weights are on this machine."""
    from napari_mmlnb.bundles.encoder_source import is_here
    from napari_mmlnb.models.encoders.registry import ENCODERS

    return tuple(facts.name for facts in ENCODERS if is_here(facts))


def measure_encoder(name: str, slide: Slide, device: torch.device, count: int, rounds: int) -> list[EncodeRow]:
    """A row for each runtime of an encoder."""
    from napari_mmlnb.bundles.encoder_weights import load_encoder
    from napari_mmlnb.inference.runtimes.choice import fastest, runtime_figures
    from napari_mmlnb.inference.runtimes.measure import measure_runtimes

    encoder = load_encoder(name)
    tiles = read_tiles(slide, encoder.facts.input_px, count)
    remembered = fastest(runtime_figures(encoder, device, tiles))
    return [
        EncodeRow(
            encoder=name,
            runtime=figure.name,
            device=device.type,
            tiles_per_s=figure.tiles_per_s,
            cosine_to_float32=figure.cosine,
            chosen=figure.name == remembered,
            why_not=figure.refused,
        )
        for figure in measure_runtimes(encoder, device, tiles, rounds)
    ]


def read_tiles(slide: Slide, tile_px: int, count: int) -> RGB:
    """Tiles of tissue from the middle of a slide, (n, tile_px, tile_px, 3); those that cannot be read are left out.

    Raises
    ------
    RequestError
        If there are none.
    """
    import numpy as np

    from napari_mmlnb.errors import RequestError
    from napari_mmlnb.slides.read_rate import tissue_tiles
    from napari_mmlnb.slides.tile_reader import TileReader

    with TileReader(slide, tissue_tiles(slide, tile_px, _UM_PER_PX, 0, count)) as reader:
        parts = [batch.pixels[batch.readable] for batch in reader]
    tiles: RGB = np.concatenate(parts)
    if not len(tiles):
        raise RequestError("No tile of tissue of this slide can be read.", "Take another slide.")
    return tiles


def row_lines(rows: list[EncodeRow]) -> list[str]:
    """The same for a person."""
    lines = []
    for row in rows:
        start = f"{row.encoder:<20} {row.runtime:<18} "
        if row.tiles_per_s is None or row.cosine_to_float32 is None:
            lines.append(f"{start}{'-':>7}          {row.why_not}")
            continue
        note = "chosen" if row.chosen else row.why_not
        lines.append(f"{start}{row.tiles_per_s:7.1f} tiles/s  cosine {row.cosine_to_float32:.5f}  {note}".rstrip())
    return lines
