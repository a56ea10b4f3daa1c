"""`mmlnb train`: a configuration in, a model bundle out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from napari_mmlnb.cli.progress import stdout_kept_clean


@click.command(name="train", short_help="Train a model bundle from a configuration.")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the bundle.")
def command(config: Path, out: Path) -> None:
    """Train a model bundle as CONFIG (YAML) says, and write it into a folder."""
    from napari_mmlnb.report.outputs import check_writable
    from napari_mmlnb.training.config import read_config

    read_config(config)
    check_writable(out)

    # Torch is imported here: seconds, which a wrong configuration should not cost.
    from napari_mmlnb.training.recipe import train_from_config

    with stdout_kept_clean():
        bundle = train_from_config(config, out, log=_log)
    click.echo(f"Bundle written to {bundle}")


def _log(line: str) -> None:
    """Progress goes to stderr, where a person watches; the recipe keeps its own log in the bundle."""
    if sys.stderr.isatty():
        click.echo(line, err=True)
