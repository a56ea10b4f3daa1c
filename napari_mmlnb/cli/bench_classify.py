"""`mmlnb bench classify`: how soon the first map is there, how fast tiles follow, and what memory that takes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from napari_mmlnb.cli.mpp import MPP
from napari_mmlnb.cli.slide_option import SLIDE
from napari_mmlnb.cli.work import DEFAULT_MODEL

if TYPE_CHECKING:
    from napari_mmlnb.inference.classify_rate import ClassifyFigures
    from napari_mmlnb.slides.location import Location

FIRST_ATTENTION_BOUND_S = 5.0
SHARE_BOUND = 0.90


@click.command(name="classify")
@click.argument("slide", type=SLIDE)
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="Name of a bundle, or its folder.")
@click.option("--mpp", type=MPP, help="Micrometres per pixel, X or X,Y, where the file does not say or is wrong.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    help="How long each of two runs may look at tiles.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def classify(slide: Location, model: str, mpp: tuple[float, float] | None, seconds: float, as_json: bool) -> None:
    """Classify SLIDE twice, keeping nothing: in this fresh process, and again with everything loaded."""
    from napari_mmlnb.cli.progress import stdout_kept_clean
    from napari_mmlnb.inference.classify_rate import measure_classify
    from napari_mmlnb.slides.slide import open_slide

    with stdout_kept_clean(), open_slide(slide, mpp=mpp) as opened:
        figures = measure_classify(opened, model, seconds)
    if as_json:
        click.echo(json.dumps(asdict(figures), indent=2))
    else:
        for line in classify_lines(figures):
            click.echo(line)


def classify_lines(figures: ClassifyFigures) -> list[str]:
    """The figures for a person."""
    withheld = ["its attention is withheld: the slide looks like nothing that the model knows"]
    return [
        f"first attention after {figures.first_attention_s:.2f} s (at most {FIRST_ATTENTION_BOUND_S:g}), libraries and "
        f"model loaded; {figures.first_attention_warm_s:.2f} s with both in memory",
        *(withheld if figures.attention_withheld else []),
        f"{figures.tiles_per_s:.0f} tiles/s over {figures.tiles} tiles, {figures.share_of_bound:.2f} of the bound "
        f"(at least {SHARE_BOUND:g}): {figures.bound_tiles_per_s:.0f} tiles/s, of the encoder alone "
        f"{figures.encode_tiles_per_s:.0f}, of the reader alone {figures.decode_tiles_per_s:.0f}",
        f"resident memory at most {figures.peak_rss_mb:.0f} MB, {figures.peak_rss_over_model_mb:.0f} MB of it "
        "after the model was loaded",
    ]
