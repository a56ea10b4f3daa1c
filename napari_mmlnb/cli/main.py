"""The entry point: finds the command, and turns whatever happens into an exit code and one line.

Exit codes: 0 done (an abstention is done); 1 our fault, with the traceback in a log file; 2 the input or the request is
wrong; 3 finished, but part of it failed; 130 interrupted.

Nothing heavy is imported before a command is chosen: ``mmlnb --help`` answers at once.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

import click

from napari_mmlnb import __version__
from napari_mmlnb.errors import MmlnbError

PROGRAM = "mmlnb"
OUR_FAULT = 1
WRONG_INPUT = 2
INTERRUPTED = 130


@dataclass(frozen=True)
class CommandFacts:
    """What the list of commands shows of one, without importing it.

    Parameters
    ----------
    module : str
        Where its ``command`` lies.
    summary : str
        One line for ``mmlnb --help``.
    """

    module: str
    summary: str


COMMANDS = MappingProxyType(
    {
        "demo": CommandFacts("napari_mmlnb.cli.demo", "Make a synthetic slide, classify it, and show the result."),
        "view": CommandFacts("napari_mmlnb.cli.view", "Open napari with the workspace laid out."),
        "info": CommandFacts("napari_mmlnb.cli.info", "Say what a slide file holds."),
        "classify": CommandFacts("napari_mmlnb.cli.classify", "Classify a slide and write the result and its report."),
        "phantom": CommandFacts("napari_mmlnb.cli.phantom", "Write a synthetic slide with its ground truth."),
        "phantom-images": CommandFacts(
            "napari_mmlnb.cli.phantom_images", "Write a folder of synthetic images with descriptions."
        ),
        "train": CommandFacts("napari_mmlnb.cli.train", "Train a model from a configuration."),
        "describe": CommandFacts("napari_mmlnb.cli.describe", "Describe a folder of images anew."),
        "evaluate": CommandFacts("napari_mmlnb.cli.evaluate", "Measure a trained model on cases that it never saw."),
        "ablate": CommandFacts("napari_mmlnb.cli.ablate", "Train every arm of a configuration, and compare."),
        "finetune-vlm": CommandFacts(
            "napari_mmlnb.cli.finetune_vlm", "Fine-tune a describing model on images with descriptions."
        ),
        "models": CommandFacts("napari_mmlnb.cli.models", "List, check and fetch models."),
        "bench": CommandFacts("napari_mmlnb.cli.bench", "Measure this machine."),
        "doctor": CommandFacts("napari_mmlnb.cli.doctor", "Say what works on this machine, and how to mend the rest."),
        "verify": CommandFacts("napari_mmlnb.cli.verify", "Check that a result still is what was written."),
    }
)


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names, in the order in which a new user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a command; None where there is no such name."""
        facts = COMMANDS.get(cmd_name)
        if facts is None:
            return None
        command: click.Command = import_module(facts.module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands from the registry, so that none has to be imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, facts.summary) for name, facts in COMMANDS.items()])


@click.group(
    name=PROGRAM,
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done (an abstention is done); 1 a fault of the program; 2 the input or the request is wrong; "
    "3 finished, but part of it failed; 130 interrupted.",
)
@click.version_option(__version__, prog_name=PROGRAM)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Whole-slide pathology: multimodal classification that shows its evidence.

    Research use only. Not for diagnosis.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command line and answer with its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process by default.

    Returns
    -------
    int
        The exit code. Exceptions never leave this function.
    """
    _quieten_libraries()
    try:
        with main.make_context(PROGRAM, list(sys.argv[1:] if argv is None else argv)) as context:
            answer = main.invoke(context)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        return _account_for(error)
    # Commands return None, or the exit code that they mean.
    return answer if isinstance(answer, int) else 0


def _account_for(error: BaseException) -> int:
    """Say in one line what ended the command, where there is something to say, and give the exit code."""
    line = ""
    match error:
        case click.exceptions.Exit():
            code = error.exit_code
        case BrokenPipeError():
            # Whoever read our output has seen enough; Python would complain when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        case click.Abort() | KeyboardInterrupt():
            code, line = INTERRUPTED, "Interrupted."
        case click.ClickException():
            code, line = WRONG_INPUT, _usage_line(error)
        case MmlnbError():
            code, line = error.exit_code, str(error)
        case _:
            what = f"This is a fault of the program, not of your input ({type(error).__name__})."
            code, line = OUR_FAULT, f"{what} Details: {_write_log(error)}"
    if line:
        _say(line)
    return code


def _say(message: str) -> None:
    """One line on stderr, whatever the message holds."""
    click.echo(f"{PROGRAM}: {' '.join(message.split())}", err=True)


def _usage_line(error: click.ClickException) -> str:
    message = error.format_message()
    context = getattr(error, "ctx", None)
    return f"{message} See '{context.command_path} --help'." if context is not None else message


def _quieten_libraries() -> None:
    """Keep other libraries' warnings off the screen: what a person must know comes from us, in one line."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())


def _write_log(error: BaseException) -> Path:
    """Write the traceback to the user's log folder, or to a temporary one where that cannot be written."""
    name = f"{PROGRAM}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    text = f"{PROGRAM} {__version__}, Python {sys.version}\n\n{''.join(traceback.format_exception(error))}"
    for folder in (_log_folder, lambda: Path(tempfile.mkdtemp(prefix=f"{PROGRAM}-"))):
        try:
            path = folder() / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError:
            continue
        return path
    return Path(os.devnull)


def _log_folder() -> Path:
    from platformdirs import user_log_path

    return user_log_path("napari-mmlnb", appauthor=False)


if __name__ == "__main__":
    sys.exit(run())
