"""`mmlnb bench`: how fast this machine is, as ratios with their bounds."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from napari_mmlnb.cli.bench_classify import classify
from napari_mmlnb.cli.bench_encode import command as encode
from napari_mmlnb.cli.mpp import MPP
from napari_mmlnb.cli.slide_option import SLIDE

if TYPE_CHECKING:
    from napari_mmlnb.slides.location import Location
    from napari_mmlnb.slides.read_rate import ReadFigures
    from napari_mmlnb.viewer.bench_view import ViewFigures


@click.group(name="bench", short_help="Measure this machine.")
def command() -> None:
    """Measure this machine: each figure beside its peer, timed in turn in one run, and beside its bound."""


command.add_command(classify)
command.add_command(encode)


@command.command(name="read")
@click.argument("slide", type=SLIDE)
@click.option("--mpp", type=MPP, help="Micrometres per pixel, X or X,Y, where the file does not say or is wrong.")
@click.option("--tile-px", type=click.IntRange(16, 4096), default=224, show_default=True, help="Side of a tile.")
@click.option("--um-per-px", type=float, default=0.5, show_default=True, help="Scale of a tile, micrometres per pixel.")
@click.option("--offset-px", type=int, default=0, show_default=True, help="Shift of the grid, in pixels of a tile.")
@click.option("--tiles", type=click.IntRange(1), default=2000, show_default=True, help="Tiles to read.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Times each way is measured.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def read(
    slide: Location,
    mpp: tuple[float, float] | None,
    tile_px: int,
    um_per_px: float,
    offset_px: int,
    tiles: int,
    rounds: int,
    as_json: bool,
) -> None:
    """Read tiles of SLIDE with our reader, with OpenSlide, and as fast as the decoder alone allows."""
    import psutil

    from napari_mmlnb.slides.read_rate import measure_read, tissue_tiles
    from napari_mmlnb.slides.slide import open_slide

    with open_slide(slide, mpp=mpp) as opened:
        chosen = tissue_tiles(opened, tile_px, um_per_px, offset_px, tiles)
        opened.cache.clear()
        figures = measure_read(opened, chosen, rounds)
    rss_mb = psutil.Process().memory_info().rss / 2**20
    if as_json:
        click.echo(json.dumps(asdict(figures) | {"rss_mb": round(rss_mb, 1)}, indent=2))
    else:
        for line in [*read_lines(figures), f"Resident memory: {rss_mb:.0f} MB"]:
            click.echo(line)


def read_lines(figures: ReadFigures) -> list[str]:
    """The figures for a person."""
    rows: list[tuple[str, Any, Any, Any]] = [
        ("ours", figures.tiles_per_s, figures.ratio_to_openslide, figures.share_of_decode_bound),
        (
            "ours, reduced in the decoder",
            figures.in_decoder_tiles_per_s,
            figures.in_decoder_ratio_to_openslide,
            figures.in_decoder_share_of_decode_bound,
        ),
        ("OpenSlide", figures.openslide_tiles_per_s, None, None),
        ("decode bound", figures.bound_tiles_per_s, None, None),
    ]
    lines = [
        f"{figures.tiles} tiles of {figures.tile_px} px at {figures.um_per_px:g} um from {figures.stored_tiles} stored "
        f"tiles, {figures.threads} threads, median of {figures.rounds} rounds in turn"
    ]
    for name, rate, ratio, share in rows:
        if rate is None:
            continue
        parts = [f"{rate:8.0f} tiles/s"]
        parts += [f"{ratio:.2f} times OpenSlide"] if ratio is not None else []
        parts += [f"{share:.2f} of its decode bound"] if share is not None else []
        lines.append(f"  {name:<30}{', '.join(parts)}")
    if figures.pixels_different is not None:
        lines.append(f"  pixels different from OpenSlide before the reduction: {figures.pixels_different}")
    return lines


@command.command(name="view")
@click.argument("slide", type=SLIDE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def view(slide: Location, as_json: bool) -> None:
    """Look at SLIDE in a real window: how soon it is there, and how long the window does not answer.

    Needs a display. A window opens, plays pans and zooms over the tissue at every magnification, and closes.
    """
    from napari_mmlnb.cli.view import check_gui

    check_gui()
    from napari_mmlnb.viewer.bench_view import measure_view

    figures = measure_view(slide)
    if as_json:
        click.echo(json.dumps(asdict(figures), indent=2))
    else:
        for line in view_lines(figures):
            click.echo(line)


def view_lines(figures: ViewFigures) -> list[str]:
    """The figures for a person."""
    return [
        f"first picture {figures.first_frame_s:.2f} s; {figures.first_frame_cold_s:.2f} s for the first slide",
        f"{figures.slice_reads} reads of what is to be painted: half within {figures.slice_read_ms_p50:.1f} ms, "
        f"95 % within {figures.slice_read_ms_p95:.1f} ms",
        f"the window does not answer for {figures.gui_block_ms_p95:.0f} ms at most after 95 % of the steps, "
        f"for {figures.gui_block_ms_max:.0f} ms at worst",
        f"memory over an idle napari: {figures.rss_mb:.0f} MB, of which decoded tiles at most "
        f"{figures.cache_limit_mb:.0f} MB",
    ]
