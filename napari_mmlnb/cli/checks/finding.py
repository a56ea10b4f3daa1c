"""What a check of this machine finds, and what a check is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Fact = str | int | float | bool | None


class State(StrEnum):
    """How something is."""

    OK = "ok"
    """It works."""
    ABSENT = "absent"
    """It is not here, and nothing needs it."""
    WARNING = "warning"
    """It works, but not as well as it could, or not for long."""
    PROBLEM = "problem"
    """It is needed, and does not work."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
        What was looked at, in a word or two; the same on every machine.
    state : State
        How it is.
    text : str
        What was found, one sentence or a list of facts; no name of the person, no token, no path but a cache folder's.
    remedy : str
        What mends it, a command where there is one; empty where there is nothing to mend.
    facts : Mapping
        The same as numbers, for a program.
    """

    name: str
    state: State
    text: str
    remedy: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """A way of looking at this machine.

    Parameters
    ----------
    name : str
        What it is found by.
    title : str
        What is said while it works.
    examine : callable
        Gives its findings; whatever it raises is itself a finding.
    waits : bool
        Whether it only waits for another process, so that others can be examined meanwhile.
    """

    name: str
    title: str
    examine: Callable[[], Iterable[Finding]]
    waits: bool = False


def findings_of(check: Check) -> tuple[Finding, ...]:
    """What a check finds; where it breaks, that is what it found, beside what it had found before."""
    found: list[Finding] = []
    try:
        found.extend(check.examine())
    except Exception as error:  # a broken library raises whatever it likes
        found.append(
            Finding(
                check.name,
                State.PROBLEM,
                f"This cannot be looked at: {_without_paths(error)}",
                "Install the program again: pip install --force-reinstall napari-mmlnb",
            )
        )
    return tuple(found)


def _without_paths(error: Exception) -> str:
    """The kind of an error and its first line, but for words that look like a path: they name the person."""
    lines = str(error).strip().splitlines()
    words = (lines[0] if lines else "").split()
    told = " ".join("(a path)" if "/" in word or "\\" in word else word for word in words)
    return f"{type(error).__name__}: {told}" if told else type(error).__name__
