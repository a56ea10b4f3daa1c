"""Damaged slides read in child processes, so that a crash or a hang is one slide's and not the test run's."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from tests.slides.fuzz.cases import Case

SECONDS_A_SLIDE = 120
"""More than any damaged slide may take on a slow and busy machine; they take a fraction of a second."""

_PROJECT = Path(__file__).parents[3]


def read_cases(cases: Sequence[Case], folder: Path) -> list[dict[str, Any]]:
    """What the worker says of each case, in order; what killed it is "crashed" or "hung"."""
    outcomes: list[dict[str, Any]] = []
    while len(outcomes) < len(cases):
        left = cases[len(outcomes) :]
        outcomes += _read_until_dead(left, folder)
    return outcomes


def _read_until_dead(cases: Sequence[Case], folder: Path) -> list[dict[str, Any]]:
    """The outcomes up to the first case that ends the process, or of all."""
    jobs, said = folder / "cases.jsonl", folder / "stderr.txt"
    jobs.write_text("\n".join(case.to_json() for case in cases), encoding="utf-8")
    outcomes: list[dict[str, Any]] = []
    # Arenas that nobody uses would count against the limit of memory.
    environment = os.environ | {"PYTHONPATH": str(_PROJECT), "MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1"}
    with said.open("w") as stderr:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.slides.fuzz.worker", str(jobs)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment, cwd=_PROJECT,
        )  # fmt: skip
    assert child.stdout is not None
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_forward, args=(child.stdout, lines), daemon=True).start()
    hung = False
    try:
        while len(outcomes) < len(cases) and (line := lines.get(timeout=SECONDS_A_SLIDE)):
            outcomes.append(json.loads(line))
    except queue.Empty:
        hung = True
    finally:
        if hung:
            child.send_signal(signal.SIGABRT)  # faulthandler says where
        code = child.wait(timeout=SECONDS_A_SLIDE)
    if len(outcomes) < len(cases):
        text = said.read_text(errors="replace")[-6000:]
        if not outcomes and not hung and code > 0:
            raise AssertionError(f"the worker does not work: {text}")
        name = cases[len(outcomes)].name
        outcomes.append({"name": name, "outcome": "hung" if hung else "crashed", "error": f"exit {code}", "text": text})
    return outcomes


def _forward(stream: IO[str], lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")
