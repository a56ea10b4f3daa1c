"""`mmlnb phantom-images`: a folder of synthetic images with descriptions, to try the image level on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from napari_mmlnb.cli.progress import tell


@click.command(name="phantom-images", short_help="Write a folder of synthetic images with descriptions.")
@click.argument("out", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--patients", type=click.IntRange(1), default=10, show_default=True, help="Phantoms of each subtype.")
@click.option("--images", type=click.IntRange(1), default=8, show_default=True, help="Images of each phantom, at most.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the first phantom.")
@click.option("--stain-shift", type=float, default=0.0, show_default=True, help="0 as in training, 1 far from it.")
@click.option(
    "--texts",
    type=click.Choice(["measured", "truth", "clinical"]),
    default="measured",
    show_default=True,
    help="What the descriptions are made of: pixels, the true contents, or a made-up patient file.",
)
@click.option(
    "--least-cells", type=click.IntRange(0), default=20, show_default=True, help="Tumour cells of an image, at least."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def command(
    out: Path, patients: int, images: int, seed: int, stain_shift: float, texts: str, least_cells: int, as_json: bool
) -> None:
    """Write DIR/images and DIR/table.csv, as `mmlnb train` takes them at image level.

    Each phantom is a patient. The descriptions name no class.
    """
    from napari_mmlnb.training.image_level.phantom_folder import PhantomFolderPlan, make_phantom_folder

    plan = PhantomFolderPlan(patients, images, seed, stain_shift=stain_shift, least_cells=least_cells, text=texts)
    count = make_phantom_folder(out, plan, workers=os.cpu_count() or 1, log=tell)
    if as_json:
        click.echo(json.dumps({"folder": str(out), "images": count, "patients": 3 * patients}, indent=2))
        return
    click.echo(f"{count} synthetic images of {3 * patients} phantoms: {out}")
