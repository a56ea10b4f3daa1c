"""`mmlnb classify`: a slide in, the result and its report out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from napari_mmlnb.cli.mpp import MPP
from napari_mmlnb.cli.progress import stdout_kept_clean
from napari_mmlnb.cli.slide_option import SLIDE, backend_option
from napari_mmlnb.cli.work import DEFAULT_MODEL, PARTLY_FAILED, classify_to_folder

if TYPE_CHECKING:
    from napari_mmlnb.slides.location import Location


@click.command(name="classify", short_help="Classify a slide and write the result and its report.")
@click.argument("slide", type=SLIDE)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the five files.")
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="Name of a bundle, or its folder.")
@click.option("--mpp", type=MPP, help="Micrometres per pixel, X or X,Y, where the file does not say or is wrong.")
@backend_option
@click.option("--roi", type=click.Path(path_type=Path), help="GeoJSON polygons (QuPath): look only inside.")
@click.option("--describer", metavar="NAME|DIR", help="What describes the evidence in its own words; measured: none.")
@click.option(
    "--describer-base",
    metavar="DIR|NAME@COMMIT",
    default="",
    help="The model that an adapter in --describer DIR belongs to, where it is not found by itself.",
)
@click.option(
    "--server", metavar="URL", default="", help="Have a server describe it, for example http://127.0.0.1:8000/v1."
)
@click.option("--server-model", metavar="NAME", default="", help="The model that the server is asked for.")
@click.option("--may-send", is_flag=True, help="Allow that evidence tiles are sent to a server on another machine.")
@click.option(
    "--describer-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    help="Give up the description of a tile after so long.",
)
@click.option("--device", default="auto", show_default=True, help="Where to compute, for example cpu or cuda.")
@click.option("--runtime", default="auto", show_default=True, help="What computes: a name, as bench encode lists them.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop looking at tiles after so long.")
@click.option(
    "--stop-when-stable",
    type=click.FloatRange(0.5, 1, max_open=True),
    metavar="LEVEL",
    help="Stop looking at tiles once the class is stable to this level, for example 0.95.",
)
@click.option("--no-cache", is_flag=True, help="Compute all features anew, and keep none of them.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object, and nothing else.")
def command(
    slide: Location,
    out: Path,
    model: str,
    mpp: tuple[float, float] | None,
    backend: str | None,
    roi: Path | None,
    describer: str | None,
    describer_base: str,
    server: str,
    server_model: str,
    may_send: bool,
    describer_seconds: float,
    device: str,
    runtime: str,
    seconds: float | None,
    stop_when_stable: float | None,
    no_cache: bool,
    as_json: bool,
) -> int:
    """Classify SLIDE and write the result and its report into a folder.

    The folder gets result.json, report.pdf, regions.geojson, attention.ome.tif and thumbnail.png. An abstention is a
    result like any other; its reasons are printed.
    """
    from napari_mmlnb.cli.summary import sending_lines, summary_lines, unreadable_lines
    from napari_mmlnb.inference.settings import RunSettings

    settings = RunSettings(
        describer=describer,
        describer_base=describer_base,
        server=server,
        server_model=server_model,
        may_send=may_send,
        describer_seconds=describer_seconds,
        device=device,
        runtime=runtime,
        roi=roi,
        seconds=seconds,
        stop_when_stable=stop_when_stable,
    )
    settings = replace(settings, cache_bytes=0) if no_cache else settings
    for line in sending_lines(settings):
        click.echo(line, err=True)
    with stdout_kept_clean():
        result = classify_to_folder(slide, out, model=model, mpp=mpp, backend=backend, settings=settings)
    if as_json:
        click.echo(result.to_json(), nl=False)
    else:
        for line in summary_lines(result, out):
            click.echo(line)
    for line in unreadable_lines(result):
        click.echo(line, err=True)
    return PARTLY_FAILED if result.coverage.tiles_unreadable else 0
