"""The log of a training, on the disk beside what it makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

LOG_FILE = "train.log"
Log = Callable[[str], None]


def written_to(path: Path, log: Log) -> Log:
    """A log that also writes what it is told; a training that goes on adds to what it had written."""

    def both(line: str) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        log(line)

    return both
