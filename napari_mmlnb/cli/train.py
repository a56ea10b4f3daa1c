"""`mmlnb train`: a configuration in, a trained model out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import click

from napari_mmlnb.cli.progress import stdout_kept_clean, tell
from napari_mmlnb.errors import MissingExtraError, RequestError
from napari_mmlnb.registry import Registry


@click.command(name="train", short_help="Train a model from a configuration.")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for what is trained.")
@click.option(
    "--calibrate-only",
    "bundle",
    metavar="NAME|DIR",
    help="Keep the weights of this bundle, which CONFIG has trained, and only learn its limits again.",
)
@click.option("--replace", is_flag=True, help="Move another training's folder of the same name aside (NAME.before-1).")
def command(config: Path, out: Path, bundle: str | None, replace: bool) -> None:
    """Train a model as CONFIG (YAML) says, and write it into a folder.

    With `level: slide` (or none) that is a bundle for slides; with `level: image` the method as published, on a folder
    of images with a table of descriptions; with `level: describer` the base of the small describing model.
    """
    from napari_mmlnb.report.outputs import check_writable
    from napari_mmlnb.training.config import level_of

    level = LEVELS.get(level_of(config))
    level.check(config)
    check_writable(out)
    if bundle is not None and level.name != "slide":
        raise RequestError(f"--calibrate-only is for bundles, and CONFIG trains at the level {level.name}.")
    with stdout_kept_clean():
        told = level.train(config, out, replace) if bundle is None else _calibrate(config, bundle, out, replace)
    click.echo(told)


@dataclass(frozen=True)
class Level:
    """What can be trained.

    Parameters
    ----------
    name : str
        As `level` in a configuration.
    check : callable
        Refuses a wrong configuration, before torch is imported: seconds, which that should not cost.
    train : callable
        Trains from a configuration into a folder, replacing what is there or not, and says where it is.
    """

    name: str
    check: Callable[[Path], object]
    train: Callable[[Path, Path, bool], str]


def _check_slides(config: Path) -> object:
    from napari_mmlnb.training.slide_level.config import read_config

    return read_config(config)


def _train_slides(config: Path, out: Path, replace: bool) -> str:
    from napari_mmlnb.training.slide_level.recipe import train_from_config

    return f"Bundle written to {train_from_config(config, out, log=tell, replace=replace)}"


def _calibrate(config: Path, bundle: str, out: Path, replace: bool) -> str:
    from napari_mmlnb.bundles.registry import bundle_folder
    from napari_mmlnb.training.slide_level.recipe import calibrate_again

    return f"Bundle written to {calibrate_again(config, bundle_folder(bundle), out, log=tell, replace=replace)}"


def _check_images(config: Path) -> object:
    from napari_mmlnb.training.config import read_as
    from napari_mmlnb.training.image_level.config import ImageLevelConfig

    return read_as(ImageLevelConfig, config)


def _train_images(config: Path, out: Path, replace: bool) -> str:
    from napari_mmlnb.training.image_level.recipe import train_images

    return f"Model and scores written to {train_images(config, out, log=tell, replace=replace)}"


def _check_describer(config: Path) -> object:
    from napari_mmlnb.training.config import read_as
    from napari_mmlnb.training.small_vlm.config import SmallVlmConfig

    return read_as(SmallVlmConfig, config)


def _train_describer(config: Path, out: Path, replace: bool) -> str:
    _needs_transformers()
    from napari_mmlnb.training.small_vlm.recipe import train_small_vlm

    return f"Describing model written to {train_small_vlm(config, out, log=tell, replace=replace)}"


def _needs_transformers() -> None:
    if find_spec("transformers") is None:
        raise MissingExtraError("transformers, of which describing models are made,", "transformers")


LEVELS = Registry(
    "level",
    (
        Level("slide", _check_slides, _train_slides),
        Level("image", _check_images, _train_images),
        Level("describer", _check_describer, _train_describer),
    ),
)
