"""`mmlnb demo`: everything once, on a synthetic slide whose answer is known; needs no network and no slide."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from napari_mmlnb.cli.progress import progress_line, stdout_kept_clean
from napari_mmlnb.cli.work import PARTLY_FAILED, classify_to_folder
from napari_mmlnb.errors import MissingExtraError, RequestError
from napari_mmlnb.result import RunResult

SLIDE_NAME = "phantom.tiff"
SUBTYPE: Literal["d"] = "d"
# Far from the seeds that phantoms for training are drawn from: the bundle has not seen this slide.
SEED = 900_001


@click.command(name="demo", short_help="Make a synthetic slide, classify it, and show the result.")
@click.option("--headless", is_flag=True, help="Do not open the viewer.")
@click.option("--out", default="demo", show_default=True, type=click.Path(path_type=Path), help="Folder for the files.")
def command(headless: bool, out: Path) -> int:
    """Make a synthetic slide, classify it, write its report, and open the viewer where there is a display."""
    from napari_mmlnb.cli.summary import summary_lines
    from napari_mmlnb.inference.settings import RunSettings
    from napari_mmlnb.phantom.slide import write_phantom
    from napari_mmlnb.report.outputs import check_writable

    check_writable(out)
    slide = out / SLIDE_NAME
    with stdout_kept_clean():
        out.mkdir(parents=True, exist_ok=True)
        with progress_line() as show:
            show("Writing a synthetic slide")
            truth = write_phantom(slide, subtype=SUBTYPE, seed=SEED)
        result = classify_to_folder(slide, out, settings=RunSettings())

    click.echo(f"Synthetic slide: {slide}, and its truth in {slide.with_suffix('.truth.json').name}")
    click.echo(f"True subtype: {truth.subtype}; predicted: {result.prediction or 'none (abstained)'}")
    for line in summary_lines(result, out):
        click.echo(line)
    if not headless and has_display():
        _show(slide, result)
    return PARTLY_FAILED if result.coverage.tiles_unreadable else 0


def has_display() -> bool:
    """Whether a window can be opened: a display, and napari installed."""
    from napari_mmlnb.cli.view import check_gui

    try:
        check_gui()
    except (MissingExtraError, RequestError):
        return False
    return True


def _show(slide: Path, result: RunResult) -> None:
    from napari_mmlnb.viewer.launch import run_workspace

    click.echo("Opening the viewer; close its window to end.")
    run_workspace(slide, result)
