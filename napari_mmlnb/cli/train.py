"""`mmlnb train`: a configuration in, a model bundle out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from napari_mmlnb.cli.progress import stdout_kept_clean


@click.command(name="train", short_help="Train a model bundle from a configuration.")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the bundle.")
@click.option(
    "--calibrate-only",
    "bundle",
    metavar="NAME|DIR",
    help="Keep the weights of this bundle, which CONFIG has trained, and only learn its limits again.",
)
def command(config: Path, out: Path, bundle: str | None) -> None:
    """Train a model bundle as CONFIG (YAML) says, and write it into a folder."""
    from napari_mmlnb.report.outputs import check_writable
    from napari_mmlnb.training.config import read_config

    read_config(config)
    check_writable(out)

    # Torch is imported here: seconds, which a wrong configuration should not cost.
    from napari_mmlnb.bundles.registry import bundle_folder
    from napari_mmlnb.training.recipe import calibrate_again, train_from_config

    with stdout_kept_clean():
        if bundle is None:
            folder = train_from_config(config, out, log=_log)
        else:
            folder = calibrate_again(config, bundle_folder(bundle), out, log=_log)
    click.echo(f"Bundle written to {folder}")


def _log(line: str) -> None:
    """Progress goes to stderr, where a person watches; the recipe keeps its own log in the bundle."""
    if sys.stderr.isatty():
        click.echo(line, err=True)
