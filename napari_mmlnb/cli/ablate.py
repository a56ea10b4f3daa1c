"""`mmlnb ablate`: which part of the method carries it."""

from __future__ import annotations

from pathlib import Path

import click

from napari_mmlnb.cli.progress import stdout_kept_clean, tell

_SEEDS = "Trainings of each arm; a verdict on a claim needs at least 5, an interval 2."


@click.command(name="ablate", short_help="Train every arm of a configuration, and compare.")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the trainings and the table.")
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True, help=_SEEDS)
@click.option("--replace", is_flag=True, help="Move trainings of another configuration in --out aside (NAME.before-1).")
def command(config: Path, out: Path, seeds: int, replace: bool) -> None:
    """Train PRMF, and what it is judged beside, as CONFIG (YAML, at image level) says, and test the paper's claims.

    Each claim is said with its interval over trainings and patients, whether it holds or not, by itself and as one of
    all that are tested.
    """
    from napari_mmlnb.report.outputs import check_writable
    from napari_mmlnb.training.config import read_as
    from napari_mmlnb.training.image_level.config import AblationConfig

    read_as(AblationConfig, config)
    check_writable(out)
    from napari_mmlnb.training.image_level.ablation import ablate
    from napari_mmlnb.training.image_level.ablation_result import told

    with stdout_kept_clean():
        lines = told(ablate(config, out, seeds=seeds, log=tell, replace=replace))
    for line in lines:
        click.echo(line)
