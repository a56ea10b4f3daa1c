"""The program itself, and the packages that it cannot do without."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from napari_mmlnb import __version__
from napari_mmlnb.cli.checks.finding import Check, Finding, State

PACKAGE = "napari-mmlnb"


def unmet(requirement: Requirement) -> str:
    """Why a requirement is not met; empty where it is."""
    try:
        there = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is missing"
    if not requirement.specifier.contains(there, prereleases=True):
        return f"{requirement.name} is {there}, needed is {requirement.specifier}"
    return ""


def requirements(extra: str = "") -> tuple[Requirement, ...]:
    """What the package asks for: always, or with an extra only.

    Raises
    ------
    PackageNotFoundError
        If the program runs without having been installed.
    """
    asked = [Requirement(line) for line in requires(PACKAGE) or ()]
    always = [one for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    if not extra:
        return tuple(always)
    return tuple(one for one in asked if one not in always and one.marker and one.marker.evaluate({"extra": extra}))


def _examine() -> Iterator[Finding]:
    python = platform.python_version()
    facts = {"version": __version__, "python": python, "system": platform.system(), "machine": platform.machine()}
    yield Finding(
        "program",
        State.OK,
        f"napari-mmlnb {__version__}, Python {python}, {platform.system()} {platform.machine()}",
        facts=facts,
    )
    try:
        needed = requirements()
    except PackageNotFoundError:
        text = "The program was not installed, so what it needs is not known."
        yield Finding("packages", State.WARNING, text, f"pip install {PACKAGE}")
        return
    wrong = [(one, why) for one in needed if (why := unmet(one))]
    if wrong:
        remedy = "pip install " + " ".join(f"'{one.name}{one.specifier}'" for one, _ in wrong)
        yield Finding("packages", State.PROBLEM, "; ".join(why for _, why in wrong), remedy)
        return
    yield Finding("packages", State.OK, f"all {len(needed)} are there, as new as they must be")


CHECK = Check("packages", "Looking at the packages", _examine)
