"""`mmlnb describe`: a table of images in, the same with a describer's descriptions out."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from napari_mmlnb.cli.progress import stdout_kept_clean, tell


@click.command(name="describe", short_help="Describe a folder of images, for mmlnb train and ablate.")
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--images", type=click.Path(path_type=Path), help="Folder of the images; images beside TABLE by default.")
@click.option("--describer", required=True, metavar="NAME|DIR", help="What describes, as for classify.")
@click.option(
    "--describer-base",
    metavar="DIR|NAME@COMMIT",
    default="",
    help="The model that an adapter in --describer DIR belongs to, where it is not found by itself.",
)
@click.option("--mpp", default=0.5, show_default=True, type=click.FloatRange(0, min_open=True), help="Of the images.")
@click.option("--steady", is_flag=True, help="The likeliest words each time, in place of the paper's drawing of lots.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The new table.")
def command(
    table: Path, images: Path | None, describer: str, describer_base: str, mpp: float, steady: bool, out: Path
) -> None:
    """Write a copy of TABLE (CSV) to --out whose descriptions are a describer's, one an image.

    The describer sees the images alone, never their classes, and sentences that name a class are left out. What was
    stopped goes on with the same command; until then its rows are in OUT.partial.
    """
    from napari_mmlnb.describe.prompt import STEADY, Generation
    from napari_mmlnb.describe.registry import create_describer
    from napari_mmlnb.describe.request import DescriberRequest
    from napari_mmlnb.training.image_level.described_rows import folder_state
    from napari_mmlnb.training.image_level.redescribe import names_of_classes, redescribe

    forbidden = names_of_classes(table)
    generation = STEADY if steady else Generation()
    request = DescriberRequest(generation=generation, forbidden=forbidden, base=describer_base)
    speaker = create_describer(describer, request)
    folder = Path(describer).resolve()
    settings = (describer, describer_base, generation, forbidden, folder_state(folder) if folder.is_dir() else "")
    images = images or table.parent / "images"
    with stdout_kept_clean(), closing(speaker):
        done = redescribe(table, images, out, speaker, um_per_px=mpp, log=tell, settings=settings)
    click.echo(f"{done.images} images described by {describer}: {out}")
    if done.undescribed:
        click.echo(f"Nothing was said of {done.undescribed} of them that could be kept.")
    for fault, count in sorted(done.faults.items()):
        click.echo(f"Words were left out of {count} descriptions: {fault}.")
