"""`mmlnb doctor`: what works on this machine, what is missing, and the command that mends it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from napari_mmlnb.cli.checks.finding import Finding

SOMETHING_WRONG = 3


@click.command(name="doctor", short_help="Say what works on this machine, and how to mend the rest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def command(as_json: bool) -> int:
    """Say what works on this machine, what does not, what is missing, and what mends it.

    Looks at packages, device and drivers, encoder runtimes, slide formats, Qt and OpenGL (in a process of its own),
    caches and model bundles, and measures how fast tiles are encoded. Sends nothing anywhere. Exit code 0 when all that
    is needed works, 3 when something does not.
    """
    from napari_mmlnb.cli.progress import stdout_kept_clean

    with stdout_kept_clean():
        findings = examine()
    if as_json:
        click.echo(json.dumps(as_record(findings), indent=2, ensure_ascii=False))
    else:
        _show(findings)
    return 0 if sound(findings) else SOMETHING_WRONG


def examine() -> tuple[Finding, ...]:
    """Every check's findings, in the order of the registry."""
    from napari_mmlnb.cli.checks.finding import findings_of
    from napari_mmlnb.cli.checks.registry import CHECKS
    from napari_mmlnb.cli.progress import progress_line

    found: list[Finding] = []
    with ThreadPoolExecutor() as beside, progress_line() as show:
        waiting = {check.name: beside.submit(findings_of, check) for check in CHECKS if check.waits}
        for done, check in enumerate(CHECKS):
            show(check.title, done, len(CHECKS))
            found.extend(waiting[check.name].result() if check.waits else findings_of(check))
    return tuple(found)


def sound(findings: Sequence[Finding]) -> bool:
    """Whether all that is needed works."""
    return not any(finding.state in ("warning", "problem") for finding in findings)


def as_record(findings: Sequence[Finding]) -> dict[str, object]:
    """What `--json` prints."""
    from napari_mmlnb import __version__

    return {
        "version": __version__,
        "ok": sound(findings),
        "findings": [asdict(finding) for finding in findings],
    }


def _show(findings: Sequence[Finding]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"ok": "green", "absent": "dim", "warning": "yellow", "problem": "bold red"}
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    table.add_column("")
    table.add_column("looked at", no_wrap=True)
    table.add_column("found", overflow="fold")
    for finding in findings:
        table.add_row(Text(finding.state, colours[finding.state]), Text(finding.name), Text(finding.text))
    Console().print(table)
    for heading, states in (("To mend", ("problem", "warning")), ("Not installed, should you want it", ("absent",))):
        remedies = {one.remedy: one.name for one in reversed(findings) if one.state in states and one.remedy}
        if remedies:
            lines = [f"  {name}: {remedy}" for remedy, name in reversed(remedies.items())]
            # Not through rich: a command must not be broken into lines.
            click.echo("\n".join(["", f"{heading}:", *lines]))
    click.echo("\nAll that is needed works." if sound(findings) else "\nSomething is wrong, as said above.")
