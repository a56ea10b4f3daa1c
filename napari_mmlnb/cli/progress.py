"""What a person sees while a command works: one line on stderr, and nothing at all where stderr is no terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from napari_mmlnb.inference.settings import RunUpdate
    from napari_mmlnb.result import RunResult


class ShowProgress(Protocol):
    """Takes what is being done, and how far it has come (`total` 0: not known)."""

    def __call__(self, message: str, done: int = 0, total: int = 0) -> None:
        """Show it."""
        ...


@contextmanager
def progress_line() -> Iterator[ShowProgress]:
    """Progress on stderr by rich while the block runs; silent where stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(message: str, done: int = 0, total: int = 0) -> None:
            bar.update(task, description=message, completed=done, total=total or None)

        yield show


def follow(updates: Iterator[RunUpdate]) -> RunResult:
    """Show a run's progress to its end and give its result.

    Parameters
    ----------
    updates : iterator of RunUpdate
        As ``classify(..., stream=True)`` gives them; closed on the way out, so that an interrupted run lets go of its
        slide and threads.

    Raises
    ------
    RuntimeError
        If the stream ends without a result.
    """
    result: RunResult | None = None
    with ExitStack() as stack:
        if isinstance(updates, Generator):
            stack.callback(updates.close)
        show = stack.enter_context(progress_line())
        for update in updates:
            if update.warning:
                click.echo(f"Warning: {update.warning}", err=True)
            show(update.message, update.done, update.total)
            result = update.result or result
    if result is None:
        raise RuntimeError("the run ended without a result")
    return result


@contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """Send what libraries print to stdout, from Python or from native code, to stderr while the block runs."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _silent(message: str, done: int = 0, total: int = 0) -> None:
    """Show nothing."""


def tell(line: str) -> None:
    """A line of a long work's log, for whoever watches a terminal; the work keeps a log of its own."""
    if sys.stderr.isatty():
        click.echo(line, err=True)
