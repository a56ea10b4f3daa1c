"""`mmlnb finetune-vlm`: a describing model learns from images with their descriptions."""

from __future__ import annotations

from pathlib import Path

import click

from napari_mmlnb.cli.progress import stdout_kept_clean, tell


@click.command(name="finetune-vlm", short_help="Fine-tune a describing model on images with descriptions.")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for what is trained.")
@click.option(
    "--replace", is_flag=True, help="Move another fine-tuning's folder of the same name aside (NAME.before-1)."
)
def command(config: Path, out: Path, replace: bool) -> None:
    """Fine-tune a describing model by LoRA as CONFIG (YAML) says: MMLNB's stage A.

    Writes the adapter, the merged model or both, and what held-out patients' texts were like before and after. What
    was stopped goes on with the same command.
    """
    from napari_mmlnb.report.outputs import check_writable
    from napari_mmlnb.training.config import read_as
    from napari_mmlnb.training.describing.config import DescribingConfig

    read_as(DescribingConfig, config)
    check_writable(out)
    from napari_mmlnb.training.describing.recipe import finetune

    _quieten_transformers()
    with stdout_kept_clean():
        folder = finetune(config, out, log=tell, replace=replace)
    click.echo(f"Describing model and figures written to {folder}")


def _quieten_transformers() -> None:
    """No bars and hints of its own: what a person must know is in our log."""
    from napari_mmlnb.training.describing import libraries

    logging = libraries.transformers().utils.logging
    logging.disable_progress_bar()
    logging.set_verbosity_error()
