"""`mmlnb evaluate`: what a trained model is worth on cases that it never saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from napari_mmlnb.cli.progress import stdout_kept_clean, tell
from napari_mmlnb.registry import Registry


@click.command(name="evaluate", short_help="Measure a trained model on cases that it never saw.")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the figures.")
def command(config: Path, out: Path) -> None:
    """Measure a model as CONFIG (YAML) says, write the figures into a folder, and print them."""
    from napari_mmlnb.report.outputs import check_writable
    from napari_mmlnb.training.config import level_of

    level = LEVELS.get(level_of(config))
    check_writable(out)
    with stdout_kept_clean():
        lines = level.evaluate(config, out)
    for line in lines:
        click.echo(line)


@dataclass(frozen=True)
class Level:
    """What can be evaluated.

    Parameters
    ----------
    name : str
        As `level` in a configuration.
    evaluate : callable
        Measures into a folder, and gives the table for a person.
    """

    name: str
    evaluate: Callable[[Path, Path], list[str]]


def _evaluate_describers(config: Path, out: Path) -> list[str]:
    from napari_mmlnb.training.small_vlm.evaluation import evaluate_describers

    return evaluate_describers(config, out, log=tell)


def _evaluate_images(config: Path, out: Path) -> list[str]:
    from napari_mmlnb.training.image_level.evaluation import evaluate_images

    return evaluate_images(config, out, log=tell)


def _evaluate_slides(config: Path, out: Path) -> list[str]:
    from napari_mmlnb.training.slide_level.evaluation import evaluate_slides

    return evaluate_slides(config, out, log=tell)


LEVELS = Registry(
    "level",
    (Level("slide", _evaluate_slides), Level("image", _evaluate_images), Level("describer", _evaluate_describers)),
)
